/** Allocate and free, over and over: what the allocator has kept is used again. */

import { isLazy, isMain, nameOf, runC, runSample, RUNTIMES } from '../programs.js'
import { draw } from '../report/plot.js'
import { medianOf } from '../report/spread.js'
import { size, spread, table, time } from '../report/text.js'

const ROUNDS = { main: 25, other: 11 }

const C = 'C: malloc, one write a page, free'

/** The lengths, and how often each is allocated in a round. */
const LENGTHS: readonly [length: number, cycles: number][] = [
  [16, 100_000],
  [64, 100_000],
  [256, 100_000],
  [4096, 50_000],
  [64 * 2 ** 10, 20_000],
  [256 * 2 ** 10, 10_000],
  [2 ** 20, 2000],
  [4 * 2 ** 20, 500],
  [16 * 2 ** 20, 200],
]

/** Those who allocate with C's malloc and free at once take turns; what is garbage would burden the others. */
const EXPLICIT = ['cmalloc', 'koffi.alloc']
const GARBAGE = ['Buffer.alloc', 'Buffer.allocUnsafeSlow, touched', 'new ArrayBuffer']

export interface Case {
  length: number
  /** The runtime's name, or "C". */
  on: string
  who: string
  /** Nanoseconds of a cycle, in each round: those that passed, and those that processors worked. */
  wall: number[]
  cpu: number[]
}

type Run = Pick<Case, 'wall' | 'cpu'> & { name: string }

export function measure(log: (line: string) => void): Case[] {
  const cases: Case[] = []
  for (const [length, cycles] of LENGTHS) {
    const wall = runC<number[]>('loop', length, ROUNDS.main, cycles)
    cases.push({ length, on: 'C', who: C, wall, cpu: wall })
    for (const runtime of RUNTIMES) {
      const main = isMain(runtime)
      const rounds = main ? ROUNDS.main : ROUNDS.other
      const groups = [main ? EXPLICIT : ['cmalloc'], ...(main ? GARBAGE.map((who) => [who]) : [])]
      for (const group of groups) {
        const runs = runSample<Run[]>(runtime, 'loop', length, rounds, cycles, ...group)
        for (const { name, ...times } of runs) cases.push({ length, on: nameOf(runtime), who: name, ...times })
      }
    }
    log(`churn: ${size(length)}`)
  }
  return cases
}

export function find(cases: readonly Case[], length: number, on: string, who: string = C): Case {
  const found = cases.find((it) => it.length === length && it.on === on && it.who === who)
  if (found === undefined) throw new Error(`${who} on ${on} was not measured with ${size(length)}`)
  return found
}

export function toMarkdown(cases: readonly Case[]): string {
  const lines = [
    '## Churn: allocate and free, over and over',
    '',
    'The time of one cycle: the median of all rounds, and between which values a half of them lie. "Processor time" is',
    'the median of what processors worked for the process, its garbage collector included. "Not resident" is who only',
    'promises the memory. Who does not free leaves that to the garbage collector.',
    '',
    '![Time of a cycle, against the size](churn.svg)',
    '',
  ]
  for (const [length] of LENGTHS) {
    const rows = cases
      .filter((it) => it.length === length)
      .map(({ who, on, wall, cpu }) => [who, on, spread(wall), time(medianOf(cpu)), isLazy(who) ? 'not resident' : ''])
    lines.push(`${size(length)}:`, '', table(['who', 'on', 'time', 'processor time', ''], rows), '')
  }
  return lines.join('\n')
}

export function toPlot(cases: readonly Case[], subtitle: string): string {
  const who = [C, ...EXPLICIT, ...GARBAGE]
  return draw({
    title: 'Time of one allocation and its end, over and over',
    subtitle,
    x: { title: 'size', log: 16, write: size },
    y: { title: 'microseconds', log: 10 },
    lines: who.map((name) => ({
      name: isLazy(name) ? `${name} (not resident)` : name,
      points: cases
        .filter((it) => it.who === name && (it.on === 'C' || it.on === 'Node 24'))
        .map((it) => [it.length, medianOf(it.wall) / 1000]),
    })),
  })
}
