/** Allocate and free, over and over: what was freed is used again. */

import { isLazy, isMain, librariesOf, nameOf, OWN_FFIS, runC, runSample, RUNTIMES, type Effort } from '../programs.js'
import { draw } from '../report/plot.js'
import { medianOf } from '../report/spread.js'
import { roundTime, size, spread, table, time } from '../report/text.js'

const C = 'C: malloc, one write a page, free'

/** The lengths, and how often each is allocated in a round. */
const LENGTHS: readonly [length: number, cycles: number][] = [
  [16, 50_000],
  [64, 50_000],
  [256, 50_000],
  [1024, 50_000],
  [4096, 50_000],
  [64 * 2 ** 10, 20_000],
  [256 * 2 ** 10, 10_000],
  [2 ** 20, 2000],
  [4 * 2 ** 20, 500],
  [16 * 2 ** 20, 200],
]

/** What is not freed burdens the others in its process: each has one of its own. */
const GARBAGE = ['Buffer.alloc', 'Buffer.allocUnsafeSlow, touched', 'new ArrayBuffer']

/**
 * Each pass starts all programs anew, one after the other. So what is compared was measured at about the same time, and what
 * a process has by chance, such as what was compiled when, does not decide.
 */
const PLAN = {
  full: { passes: 2, rounds: 11, garbage: 5, share: 1 },
  quick: { passes: 1, rounds: 5, garbage: 1, share: 0.2 },
}

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

export function measure(log: (line: string) => void, effort: Effort): Case[] {
  const { passes, rounds, garbage, share } = PLAN[effort]
  const cases: Case[] = []
  const add = (length: number, on: string, { name: who, wall, cpu }: Run): void => {
    const known = find(cases, length, on, who)
    known?.wall.push(...wall)
    known?.cpu.push(...cpu)
    if (known === undefined) cases.push({ length, on, who, wall: [...wall], cpu: [...cpu] })
  }
  for (const [length, most] of LENGTHS) {
    const cycles = most * share
    for (let pass = 0; pass < passes; pass++) {
      for (const runtime of RUNTIMES) {
        const on = nameOf(runtime)
        const wall = runC<number[]>('loop', length, 3, cycles)
        add(length, 'C', { name: C, wall, cpu: wall })
        const loop = (times: number, often: number, ...who: string[]): void => {
          for (const run of runSample<Run[]>(runtime, 'loop', length, times, often, ...who)) add(length, on, run)
        }
        loop(rounds, cycles, 'cmalloc', ...librariesOf(runtime))
        if (isMain(runtime)) for (const who of GARBAGE) loop(garbage, cycles / 2, who)
      }
    }
    log(`churn: ${size(length)}`)
  }
  return cases
}

export function find(cases: readonly Case[], length: number, on: string, who: string = C): Case | undefined {
  return cases.find((it) => it.length === length && it.on === on && it.who === who)
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

const DRAWN: readonly Pick<Case, 'who' | 'on'>[] = [
  ...['cmalloc', 'koffi.alloc', ...GARBAGE].map((who) => ({ who, on: 'Node 24' })),
  ...OWN_FFIS,
  { who: C, on: 'C' },
]

export function toPlot(cases: readonly Case[], subtitle: string): string {
  return draw({
    title: 'malloc and free, over and over',
    subtitle,
    x: { title: 'size', log: 16, write: size },
    y: { title: 'time of one malloc and its free', log: 10, write: roundTime },
    lines: DRAWN.map(({ who, on }) => ({
      who,
      name: on === 'C' ? who : `${who} (${on}${isLazy(who) ? ', not touched' : ''})`,
      points: cases.filter((it) => it.who === who && it.on === on).map((it) => [it.length, medianOf(it.wall)]),
    })),
  })
}
