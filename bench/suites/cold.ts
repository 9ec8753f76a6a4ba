/** How long it takes until a block is there that is the first large one of its process. */

import { readFileSync } from 'node:fs'
import { isLazy, isMain, nameOf, runC, runSample, RUNTIMES, type CProgram, type Runtime } from '../programs.js'
import { draw } from '../report/plot.js'
import { medianOf } from '../report/spread.js'
import { size, spread, table } from '../report/text.js'

const INITS = ['touch', 'zero', 'fill'] as const
type Init = (typeof INITS)[number]

const TITLES: Record<Init, string> = { touch: 'not initialised', zero: "zeroed ('zero')", fill: "filled ('A')" }

const LENGTHS = [64 * 2 ** 10, 2 ** 20, 4 * 2 ** 20, 16 * 2 ** 20, 64 * 2 ** 20, 256 * 2 ** 20, 2 ** 30]

const SAMPLES = { main: 7, other: 3 }

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
export function measure(log: (line: string) => void): Case[] {
  const cases: Case[] = []
  for (const length of LENGTHS) {
    for (const init of INITS) {
      const turns = [
        ...Object.entries(C).map(([who, program]) => ({
          who,
          on: 'C',
          rounds: SAMPLES.main,
          run: () => runC<Sample>(program, length, init),
        })),
        ...RUNTIMES.flatMap((runtime) =>
          PEERS.filter((who) => takesPart(runtime, who, length, init)).map((who) => ({
            who,
            on: nameOf(runtime),
            rounds: isMain(runtime) ? SAMPLES.main : SAMPLES.other,
            run: () => runSample<Sample>(runtime, 'cold', who, length, init),
          })),
        ),
      ].map((turn) => ({ ...turn, samples: [] as Sample[] }))
      for (let round = 0; round < SAMPLES.main; round++) {
        for (const { rounds, run, samples } of round % 2 === 0 ? turns : turns.toReversed()) {
          if (round >= rounds) continue
          runC('best', length + 2 ** 26, 'touch')
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

export function find(cases: readonly Case[], length: number, init: Init, on: string, who: string): Case {
  const found = cases.find((it) => it.length === length && it.init === init && it.on === on && it.who === who)
  if (found === undefined) throw new Error(`${who} on ${on} was not measured with ${size(length)}, ${init}`)
  return found
}

/** Whether the system gave huge pages to the program that is the limit. */
export function hadHugePages(cases: readonly Case[]): boolean {
  const length = 2 ** 30
  const hugeKib = medianOf(find(cases, length, 'touch', 'C', 'C: the best').samples.map((sample) => sample.hugeKib))
  return hugeKib * 1024 > length * 0.9
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
      const rows = cases
        .filter((it) => it.length === length && it.init === init)
        .map((it) => [
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
    y: { title: 'milliseconds', log: 10 },
    lines: lines.map(([who, on]) => ({
      name: on === 'C' ? who : `${who} (${on})`,
      points: cases
        .filter((it) => it.init === 'touch' && it.who === who && it.on === on)
        .map((it) => [it.length, medianOf(times(it)) / 1e6]),
    })),
  })
}
