/** How long it takes until a block is there that is the first large one of its process. */

import { readFileSync } from 'node:fs'
import {
  isLazy,
  isMain,
  nameOf,
  runC,
  runSample,
  RUNTIMES,
  type CProgram,
  type Effort,
  type Runtime,
} from '../programs.js'
import { draw } from '../report/plot.js'
import { medianOf } from '../report/spread.js'
import { roundTime, size, spread, table } from '../report/text.js'

const INITS = ['touch', 'zero', 'fill'] as const
type Init = (typeof INITS)[number]

const TITLES: Record<Init, string> = { touch: 'not initialised', zero: "zeroed ('zero')", fill: "filled ('A')" }

const LENGTHS = [64 * 2 ** 10, 2 ** 20, 4 * 2 ** 20, 16 * 2 ** 20, 64 * 2 ** 20, 256 * 2 ** 20, 2 ** 30]

/** Those that are measured with contents too. */
const WITH_CONTENTS = new Set([64 * 2 ** 10, 4 * 2 ** 20, 64 * 2 ** 20, 2 ** 30])

/**
 * How many samples each has: of cmalloc and of C more where blocks are so short that single times differ much; less of who only
 * promises memory.
 */
const PLAN = {
  full: { most: 11, main: 5, lazy: 3, lengths: LENGTHS },
  quick: { most: 3, main: 1, lazy: 1, lengths: [4 * 2 ** 20, 2 ** 30] },
}

const VARYING = 16 * 2 ** 20

const C: Record<string, CProgram> = {
  'C: one write a page, or memset': 'naive',
  'C: populated': 'populate',
  'C: the best': 'best',
}

const PEERS = [
  'cmalloc',
  'Buffer.allocUnsafeSlow, touched',
  'Buffer.alloc, touched',
  'sodium_malloc',
  'koffi.alloc',
  'Buffer.alloc',
  'new ArrayBuffer',
]

interface Sample {
  ns: number
  hugeKib: number
}

export interface Case {
  length: number
  init: Init
  /** The runtime's name, or "C". */
  on: string
  who: string
  samples: Sample[]
}

/** What the process may lock in memory; sodium_malloc ends the process that wants more. */
function lockLimit(): number {
  const limit = /^Max locked memory\s+(\w+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return limit === 'unlimited' ? Infinity : Number(limit)
}

function takesPart(runtime: Runtime, who: string, length: number, init: Init): boolean {
  if (!isMain(runtime)) return who === 'cmalloc' && init === 'touch'
  if (who === 'cmalloc') return true
  if (who === 'sodium_malloc') return length + 2 ** 20 < lockLimit()
  // Only Buffer.alloc has contents of its own.
  if (who === 'Buffer.alloc, touched') return init === 'zero'
  if (who === 'Buffer.alloc') return init !== 'touch'
  return init === 'touch' || !isLazy(who)
}

/**
 * Measures in rounds, in which everybody takes a turn. The host of a virtual machine may take back what it leaves idle,
 * and to get that again takes twenty times as long: each sample follows on a program that used as much memory.
 */
export function measure(log: (line: string) => void, effort: Effort): Case[] {
  const { most, main, lazy, lengths } = PLAN[effort]
  const cases: Case[] = []
  for (const length of lengths) {
    for (const init of INITS.filter((it) => it === 'touch' || WITH_CONTENTS.has(length))) {
      const ours = length <= VARYING && init === 'touch' ? most : main
      const samplesOf = (runtime: Runtime, who: string): number => {
        if (isLazy(who)) return lazy
        return who === 'cmalloc' && isMain(runtime) ? ours : main
      }
      const turns = [
        ...Object.entries(C).map(([who, program]) => ({
          who,
          on: 'C',
          rounds: ours,
          run: () => runC<Sample>(program, length, init),
        })),
        ...RUNTIMES.flatMap((runtime) =>
          PEERS.filter((who) => takesPart(runtime, who, length, init)).map((who) => ({
            who,
            on: nameOf(runtime),
            rounds: samplesOf(runtime, who),
            run: () => runSample<Sample>(runtime, 'cold', who, length, init),
          })),
        ),
      ].map((turn) => ({ ...turn, samples: [] as Sample[] }))
      for (let round = 0; round < most; round++) {
        for (const { rounds, run, samples } of round % 2 === 0 ? turns : turns.toReversed()) {
          if (round >= rounds) continue
          runC('best', length + 2 ** 26, 'warm')
          samples.push(run())
        }
      }
      cases.push(...turns.map(({ who, on, samples }) => ({ length, init, on, who, samples })))
      log(`cold: ${size(length)}, ${TITLES[init]}`)
    }
  }
  return cases
}

export const times = ({ samples }: Case): number[] => samples.map(({ ns }) => ns)

export function find(cases: readonly Case[], length: number, init: Init, on: string, who: string): Case | undefined {
  return cases.find((it) => it.length === length && it.init === init && it.on === on && it.who === who)
}

/** Whether the system gave huge pages to the program that is the limit. */
export function hadHugePages(cases: readonly Case[]): boolean {
  const length = 2 ** 30
  const { samples } = find(cases, length, 'touch', 'C', 'C: the best')!
  return medianOf(samples.map(({ hugeKib }) => hugeKib)) * 1024 > length * 0.9
}

export function toMarkdown(cases: readonly Case[]): string {
  const lines = [
    '## Cold: the first large block of a process',
    '',
    'How long it takes until the block is there, each sample in a process of its own: the median, and between which',
    'values a half of them lie; what of the memory was in huge pages. "Not resident" is who only promises the memory,',
    'so that whoever uses it pays. sodium_malloc is measured as far as the limit on locked memory lets it.',
    '',
    '![Time until a block is resident, against its size](cold.svg)',
    '',
  ]
  for (const init of INITS) {
    lines.push(`### ${TITLES[init]}`, '')
    for (const length of LENGTHS) {
      const these = cases.filter((it) => it.length === length && it.init === init)
      if (these.length === 0) continue
      const rows = these.map((it) => [
        it.who,
        it.on,
        spread(times(it)),
        String(it.samples.length),
        size(medianOf(it.samples.map(({ hugeKib }) => hugeKib)) * 1024),
        isLazy(it.who) && !(it.who === 'Buffer.alloc' && init === 'fill') ? 'not resident' : '',
      ])
      lines.push(`${size(length)}:`, '', table(['who', 'on', 'time', 'samples', 'huge pages', ''], rows), '')
    }
  }
  return lines.join('\n')
}

export function toPlot(cases: readonly Case[], subtitle: string): string {
  const lines = [
    ['C: one write a page, or memset', 'C'],
    ['C: populated', 'C'],
    ['C: the best', 'C'],
    ['Buffer.allocUnsafeSlow, touched', 'Node 24'],
    ['sodium_malloc', 'Node 24'],
    ['cmalloc', 'Node 24'],
  ] as const
  return draw({
    title: 'Time until a block is resident',
    subtitle,
    x: { title: 'size', log: 4, write: size },
    y: { title: 'time until it is there', log: 10, write: roundTime },
    lines: lines.map(([who, on]) => ({
      who,
      name: on === 'C' ? who : `${who} (${on})`,
      points: cases
        .filter((it) => it.init === 'touch' && it.who === who && it.on === on)
        .map((it) => [it.length, medianOf(times(it))]),
    })),
  })
}
