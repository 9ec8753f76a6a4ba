/** What is claimed: a ratio of two medians that were measured in the same run, and the most that it may be. */

import * as built from './suites/built.js'
import * as churn from './suites/churn.js'
import * as cold from './suites/cold.js'
import * as memory from './suites/memory.js'
import type * as more from './suites/more.js'
import * as tasks from './suites/tasks.js'
import * as threads from './suites/threads.js'
import { nameOf, ownFfiOf, RUNTIMES } from './programs.js'
import { medianOf } from './report/spread.js'
import { size, table } from './report/text.js'

export interface Measured {
  cold: cold.Case[]
  churn: churn.Case[]
  tasks: tasks.Case[]
  threads: threads.Case[]
  memory: memory.Case[]
  more: more.Case[]
  built: built.Case[]
}

interface Bar {
  what: string
  most: number
  /** Undefined where one of the two was not measured. */
  ratio: (on: string) => number | undefined
}

const KiB = 2 ** 10
const MiB = 2 ** 20
const GiB = 2 ** 30

const NAIVE = 'C: one write a page, or memset'

function ratioOf(one: number | undefined, to: number | undefined): number | undefined {
  return one === undefined || to === undefined ? undefined : one / to
}

/** Bars beside koffi hold on Node: where a runtime has an FFI that compiles its calls, that one is who to compare with. */
const onNode =
  (ratio: Bar['ratio']): Bar['ratio'] =>
  (on) =>
    on.startsWith('Node') ? ratio(on) : undefined

function churnBars({ churn: loops }: Measured): Bar[] {
  const wall = (length: number, on: string, who?: string): number | undefined => {
    const found = churn.find(loops, length, on, who)
    return found && medianOf(found.wall)
  }
  const cpu = (length: number, on: string, who: string): number | undefined => {
    const found = churn.find(loops, length, on, who)
    return found && medianOf(found.cpu)
  }
  const most = new Map([
    [64 * KiB, 1],
    [MiB, 0.1],
    [4 * MiB, 1.5],
    [16 * MiB, 1.5],
  ])
  return [
    ...[16, 64, 256, KiB, 4 * KiB].map((length) => ({
      what: `malloc and free of ${size(length)}: of koffi.alloc and free`,
      most: 0.35,
      ratio: onNode((on) => ratioOf(wall(length, on, 'cmalloc'), wall(length, on, 'koffi.alloc'))),
    })),
    {
      what: "malloc and free of 64 B: of C's through the runtime's own FFI",
      most: 2.5,
      ratio: (on) => ratioOf(wall(64, on, 'cmalloc'), wall(64, on, ownFfiOf(on) ?? 'none')),
    },
    {
      what: 'malloc and free of 4 KiB, not initialised: of Buffer.alloc(4096)',
      most: 0.3,
      ratio: (on) => ratioOf(cpu(4096, on, 'cmalloc'), cpu(4096, on, 'Buffer.alloc')),
    },
    ...[...most].map(([length, limit]) => ({
      what: `${size(length)}, malloc and free in a loop: of C's, with one write a page`,
      most: limit,
      ratio: (on: string) => ratioOf(wall(length, on, 'cmalloc'), wall(length, 'C')),
    })),
  ]
}

function taskBars({ tasks: cases }: Measured): Bar[] {
  const rows: readonly [task: tasks.Task, most: number, what: string][] = [
    ['zeros', 0.75, "malloc and free of 64 B 'zero': of koffi.alloc and free"],
    ['window', 0.55, '500 live blocks of 16 to 128 B, replaced by chance: of koffi'],
    ['random', 1, '1 to 1000 B by chance, freed at once: of koffi'],
    ['from', 0.3, 'NativeBuffer.from(64 B) and free: of koffi.alloc, view, set, free'],
    ['bytes', 1.1, 'malloc(64), bytes, a write, free: of koffi.alloc, view, a write, free'],
  ]
  const wall = (task: tasks.Task, on: string, who: string): number | undefined => {
    const found = tasks.find(cases, task, on, who)
    return found && medianOf(found.wall)
  }
  return rows.map(([task, most, what]) => ({
    what,
    most,
    ratio: onNode((on) => ratioOf(wall(task, on, 'cmalloc'), wall(task, on, 'koffi.alloc'))),
  }))
}

function coldBars({ cold: first }: Measured): Bar[] {
  const coldTime = (length: number, init: 'touch' | 'zero' | 'fill', on: string, who: string): number | undefined => {
    const found = cold.find(first, length, init, on, who)
    return found && medianOf(cold.times(found))
  }
  const limit = cold.hadHugePages(first) ? (['C: the best', 1.15] as const) : (['C: populated', 1.05] as const)
  const nearLimit = (length: number, init: 'touch' | 'fill'): Bar => ({
    what: `${size(length)} ${init === 'fill' ? "of 'A'" : 'resident'}, cold: of ${limit[0].replace('C: ', '')} in C`,
    most: limit[1],
    ratio: (on) => ratioOf(coldTime(length, init, on, 'cmalloc'), coldTime(length, init, 'C', limit[0])),
  })
  return [
    ...[4 * MiB, 64 * MiB, GiB].flatMap((length): Bar[] => [
      {
        what: `${size(length)} resident, cold: of one write a page in C`,
        most: length === 4 * MiB ? 0.15 : 0.2,
        ratio: (on) => ratioOf(coldTime(length, 'touch', on, 'cmalloc'), coldTime(length, 'touch', 'C', NAIVE)),
      },
      nearLimit(length, 'touch'),
    ]),
    {
      what: "1 GiB of 'A': of Buffer.alloc(1 GiB, 'A')",
      most: 0.25,
      ratio: (on) => ratioOf(coldTime(GiB, 'fill', on, 'cmalloc'), coldTime(GiB, 'fill', on, 'Buffer.alloc')),
    },
    nearLimit(GiB, 'fill'),
    {
      what: "1 GiB 'zero', resident: of Buffer.alloc and touching",
      most: 0.25,
      ratio: (on) => ratioOf(coldTime(GiB, 'zero', on, 'cmalloc'), coldTime(GiB, 'zero', on, 'Buffer.alloc, touched')),
    },
  ]
}

function growthBars({ threads: together, memory: kept, more: others }: Measured): Bar[] {
  return [
    {
      what: 'malloc and free of 64 B in each of two threads: of one thread alone',
      most: 1.1,
      ratio: (on) => ratioOf(threads.timeOf(together, on, 'cmalloc', 2), threads.timeOf(together, on, 'cmalloc', 1)),
    },
    ...[64, 4 * KiB].flatMap((shortest) =>
      [MiB, 4 * MiB].map((limit) => ({
        what: `resident for a cache of ${size(limit)}, of blocks from ${size(shortest)}: of its limit`,
        most: 1,
        ratio: (on: string) => memory.cacheShare(kept, on, shortest, limit),
      })),
    ),
    {
      what: 'malloc and free with 1,000,000 blocks alive: of that with 10',
      most: 1.5,
      ratio: (on) => {
        const scale = others.find((it) => it.on === on)?.scale
        const next = (blocks: number): number | undefined => scale?.find(({ count }) => count === blocks)?.next
        return ratioOf(next(1_000_000), next(10))
      },
    },
  ]
}

function builtBars({ built: upon }: Measured): Bar[] {
  const of = (on: string, measure: (it: built.Case) => number): number | undefined => {
    const found = upon.find((it) => it.on === on)
    return found && measure(found)
  }
  return [
    ...(
      [
        ['Buffer.allocUnsafe', 'Buffer.allocUnsafe(64)', 0.7],
        ['koffi.alloc', 'koffi.alloc and free', 0.25],
      ] as const
    ).map(([peer, title, most]) => ({
      what: `64 B of an Arena: of ${title}`,
      most,
      ratio: (on: string) => of(on, ({ arena }) => medianOf(arena['Arena.malloc']!) / medianOf(arena[peer]!)),
    })),
    {
      what: 'the second 8 MiB of a Pool: of the first, cold',
      most: 0.01,
      ratio: (on) =>
        of(on, (it) => {
          const [cold8, again] = built.poolTimes(it)
          return again / cold8
        }),
    },
    {
      what: 'a MemManager with 100,000 alive: of one with 100',
      most: 2,
      ratio: (on) => of(on, (it) => built.managerTime(it, 100_000) / built.managerTime(it, 100)),
    },
  ]
}

export function toMarkdown(measured: Measured): string {
  const all = [churnBars, taskBars, growthBars, coldBars, builtBars].flatMap((bars) => bars(measured))
  const runtimes = RUNTIMES.map(nameOf)
  const rows = all.map(({ what, most, ratio }) => [
    what,
    `≤ ${most}`,
    ...runtimes.map((on) => {
      const value = ratio(on)
      if (value === undefined) return '–'
      return value <= most ? value.toFixed(2) : `**${value.toFixed(2)}**`
    }),
  ])
  const pages = cold.hadHugePages(measured.cold)
    ? 'The system gave huge pages.'
    : 'The system gave no huge pages: the limit is memory that is populated without them.'
  return [
    '## Ratios',
    '',
    `Of medians of this run; what is over its bar is bold, "–" was not measured. ${pages}`,
    '',
    table(['what, and of what', 'bar', ...runtimes], rows),
    '',
  ].join('\n')
}
