/** What is resident beside what is live: blocks that a cache keeps, and blocks that are dropped. */

import { nameOf, runSample, RUNTIMES, type Effort } from '../programs.js'
import { medianOf } from '../report/spread.js'
import { digits, size, spread, table, time } from '../report/text.js'

const MiB = 2 ** 20

/** Limits of the cache. Without one, it is seen what C's heap and the handles take anyway. */
const LIMITS = [0, MiB, 4 * MiB]

/** The lengths of the first blocks: of short ones the cache has many, and each has a handle. */
const SHORTEST = [64, 4096]

/** The lengths that are dropped, and the rounds of a turn. */
const DROPPED: readonly [length: number, rounds: number][] = [
  [64 * MiB, 4],
  [4 * MiB, 50],
  [64 * 1024, 2000],
]

const PLAN = {
  full: { first: SHORTEST, limits: LIMITS, samples: 3, turns: 5, share: 1 },
  quick: { first: [4096], limits: [0, 4 * MiB], samples: 1, turns: 1, share: 0.2 },
}

interface Above {
  most: number
  rest: number
  trimmed: number
}

interface Dropped {
  length: number
  times: { name: string; wall: number[]; cpu: number[] }[]
  mostResident: number
}

export interface Case {
  on: string
  /** Bytes above what is live; nothing where it was not measured. */
  cached: { shortest: number; limit: number; samples: Above[] }[]
  dropped: Dropped[]
}

export function measure(log: (line: string) => void, effort: Effort): Case[] {
  const { first, limits, samples, turns, share } = PLAN[effort]
  return RUNTIMES.map((runtime) => {
    const on = nameOf(runtime)
    const cached = first.flatMap((shortest) => limits.map((limit) => ({ shortest, limit, samples: [] as Above[] })))
    // Bun and Deno have no call that says what of resident memory is the JavaScript heap.
    for (let sample = 0; sample < (typeof runtime === 'number' ? samples : 0); sample++) {
      for (const { shortest, limit, samples: measured } of cached) {
        const above = runSample<Above | null>(runtime, 'cached', limit, shortest)
        if (above !== null) measured.push(above)
      }
    }
    const dropped = DROPPED.map(([length, rounds]) => ({
      length,
      ...runSample<Omit<Dropped, 'length'>>(runtime, 'dropped', turns, length, Math.ceil(rounds * share)),
    }))
    log(`memory: ${on}`)
    return { on, cached: cached.filter((it) => it.samples.length > 0), dropped }
  })
}

const median = (samples: readonly Above[], when: keyof Above): number => medianOf(samples.map((above) => above[when]))

/** What is resident above what is live and above what it is without a cache, at most: as a share of the cache's limit. */
export function cacheShare(cases: readonly Case[], on: string, shortest: number, limit: number): number | undefined {
  const cached = cases.find((it) => it.on === on)?.cached.filter((it) => it.shortest === shortest)
  const without = cached?.find((it) => it.limit === 0)?.samples
  const samples = cached?.find((it) => it.limit === limit)?.samples
  if (without === undefined || samples === undefined) return undefined
  const more = (when: keyof Above): number => median(samples, when) - median(without, when)
  return Math.max(more('most'), more('rest')) / limit
}

const mib = (bytes: number): string => `${digits(bytes / MiB)} MiB`

export function toMarkdown(cases: readonly Case[]): string {
  const lines = ['## Memory', '']
  if (cases.some(({ cached }) => cached.length > 0)) {
    lines.push(
      'What is resident above what is live, without the JavaScript heap, while 8 MiB are live in blocks whose lengths grow to',
      '1 MiB; then, when all is freed; and after `trim()`. In it are the handles of the blocks, and what C keeps; with a limit',
      'of 0 there is no cache. Medians.',
      '',
      table(
        ['on', 'lengths from', 'limit of the cache', 'at most', 'all freed', 'after trim()'],
        cases.flatMap(({ on, cached }) =>
          cached.map(({ shortest, limit, samples }) => [
            on,
            size(shortest),
            limit === 0 ? '0' : size(limit),
            ...(['most', 'rest', 'trimmed'] as const).map((when) => mib(median(samples, when))),
          ]),
        ),
      ),
      '',
    )
  }
  lines.push(
    'A round that makes memory, writes once to each page and drops it, in a synchronous loop, and what was resident at most:',
    '',
    table(
      ['length', 'on', 'cmalloc', 'processor time', 'Buffer.alloc', 'processor time', 'resident'],
      DROPPED.flatMap(([length]) =>
        cases.map(({ on, dropped }) => {
          const { times, mostResident } = dropped.find((it) => it.length === length)!
          return [
            size(length),
            on,
            ...times.flatMap(({ wall, cpu }) => [spread(wall), time(medianOf(cpu))]),
            mib(mostResident),
          ]
        }),
      ),
    ),
    '',
  )
  return lines.join('\n')
}
