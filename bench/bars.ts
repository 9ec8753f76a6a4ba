/** What is claimed: a ratio of two medians that were measured in the same run, and the most that it may be. */

import * as built from './suites/built.js'
import * as churn from './suites/churn.js'
import * as cold from './suites/cold.js'
import type * as more from './suites/more.js'
import { MAIN, nameOf } from './programs.js'
import { medianOf } from './report/spread.js'
import { size, table } from './report/text.js'

export interface Measured {
  cold: cold.Case[]
  churn: churn.Case[]
  more: more.Case[]
  built: built.Case[]
}

interface Bar {
  what: string
  most: number
  ratio: (on: string) => number
}

const KiB = 2 ** 10
const MiB = 2 ** 20
const GiB = 2 ** 30

const NAIVE = 'C: one write a page, or memset'

function bars({ cold: first, churn: loops, more: others, built: upon }: Measured): Bar[] {
  const builtOn = (on: string): built.Case => upon.find((it) => it.on === on)!
  const arenaTime = (on: string, who: string): number => medianOf(builtOn(on).arena[who]!)
  const coldTime = (length: number, init: 'touch' | 'zero' | 'fill', on: string, who: string): number =>
    medianOf(cold.times(cold.find(first, length, init, on, who)))
  const loopTime = (length: number, on: string, who: string): number => medianOf(churn.find(loops, length, on, who).cpu)
  const limit = cold.hadHugePages(first) ? (['C: the best', 1.15] as const) : (['C: populated', 1.05] as const)
  const nearLimit = (length: number, init: 'touch' | 'fill'): Bar => ({
    what: `${size(length)} ${init === 'fill' ? "of 'A'" : 'resident'}, cold: of ${limit[0].replace('C: ', '')} in C`,
    most: limit[1],
    ratio: (on) => coldTime(length, init, on, 'cmalloc') / coldTime(length, init, 'C', limit[0]),
  })
  return [
    ...[16, 64, 256].map((length) => ({
      what: `malloc and free of ${length} B: of koffi.alloc and free`,
      most: 0.7,
      ratio: (on: string) => loopTime(length, on, 'cmalloc') / loopTime(length, on, 'koffi.alloc'),
    })),
    {
      what: 'malloc and free of 4 KiB, not initialised: of Buffer.alloc(4096)',
      most: 0.3,
      ratio: (on) => loopTime(4096, on, 'cmalloc') / loopTime(4096, on, 'Buffer.alloc'),
    },
    ...([4 * MiB, 64 * MiB, GiB] as const).flatMap((length): Bar[] => [
      {
        what: `${size(length)} resident, cold: of one write a page in C`,
        most: length === 4 * MiB ? 0.15 : 0.2,
        ratio: (on) => coldTime(length, 'touch', on, 'cmalloc') / coldTime(length, 'touch', 'C', NAIVE),
      },
      nearLimit(length, 'touch'),
    ]),
    ...[64 * KiB, MiB, 4 * MiB, 16 * MiB].map((length) => ({
      what: `${size(length)}, malloc and free in a loop: of C's, with one write a page`,
      most: 1.5,
      ratio: (on: string) =>
        medianOf(churn.find(loops, length, on, 'cmalloc').wall) / medianOf(churn.find(loops, length, 'C').wall),
    })),
    {
      what: "1 GiB of 'A': of Buffer.alloc(1 GiB, 'A')",
      most: 0.25,
      ratio: (on) => coldTime(GiB, 'fill', on, 'cmalloc') / coldTime(GiB, 'fill', on, 'Buffer.alloc'),
    },
    nearLimit(GiB, 'fill'),
    {
      what: "1 GiB 'zero', resident: of Buffer.alloc and touching",
      most: 0.25,
      ratio: (on) => coldTime(GiB, 'zero', on, 'cmalloc') / coldTime(GiB, 'zero', on, 'Buffer.alloc, touched'),
    },
    {
      what: 'malloc and free with 1,000,000 blocks alive: of that with 10',
      most: 1.5,
      ratio: (on) => {
        const { scale } = others.find((it) => it.on === on)!
        return scale.find(({ count }) => count === 1_000_000)!.next / scale.find(({ count }) => count === 10)!.next
      },
    },
    ...(
      [
        ['Buffer.allocUnsafe', 'Buffer.allocUnsafe(64)', 0.7],
        ['koffi.alloc', 'koffi.alloc and free', 0.25],
      ] as const
    ).map(([peer, title, most]) => ({
      what: `64 B of an Arena: of ${title}`,
      most,
      ratio: (on: string) => arenaTime(on, 'Arena.malloc') / arenaTime(on, peer),
    })),
    {
      what: 'the second 8 MiB of a Pool: of the first, cold',
      most: 0.01,
      ratio: (on) => {
        const [cold8, again] = built.poolTimes(builtOn(on))
        return again / cold8
      },
    },
    {
      what: 'a MemManager with 100,000 alive: of one with 100',
      most: 2,
      ratio: (on) => built.managerTime(builtOn(on), 100_000) / built.managerTime(builtOn(on), 100),
    },
  ]
}

const RUNTIMES = MAIN.map(nameOf)

export function toMarkdown(measured: Measured): string {
  const rows = bars(measured).map(({ what, most, ratio }) => [
    what,
    `≤ ${most}`,
    ...RUNTIMES.map((on) => {
      const value = ratio(on)
      return value <= most ? value.toFixed(2) : `**${value.toFixed(2)}**`
    }),
  ])
  const pages = cold.hadHugePages(measured.cold)
    ? 'The system gave huge pages.'
    : 'The system gave no huge pages: the limit is memory that is populated without them.'
  return [
    '## Ratios',
    '',
    `Of medians of this run; what is over its bar is bold. ${pages}`,
    '',
    table(['what, and of what', 'bar', ...RUNTIMES], rows),
    '',
  ].join('\n')
}
