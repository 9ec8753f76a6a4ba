/** Several threads, of which each allocates and frees its own blocks in a loop. */

import { nameOf, runSample, RUNTIMES, type Effort } from '../programs.js'
import { medianOf } from '../report/spread.js'
import { spread, table } from '../report/text.js'

const COUNTS = [1, 2, 4, 8]
const PLAN = { full: { rounds: 9, cycles: 300_000 }, quick: { rounds: 3, cycles: 30_000 } }

interface Times {
  name: string
  count: number
  /** Nanoseconds of a cycle in each thread, in each round. */
  rounds: number[][]
}

export interface Case {
  on: string
  times: Times[]
}

export function measure(log: (line: string) => void, effort: Effort): Case[] {
  const { rounds, cycles } = PLAN[effort]
  return RUNTIMES.map((runtime) => {
    const result = { on: nameOf(runtime), times: runSample<Times[]>(runtime, 'workers', rounds, cycles, ...COUNTS) }
    log(`threads: ${result.on}`)
    return result
  })
}

/** The median time of a cycle, of all threads and rounds. */
export function timeOf(cases: readonly Case[], on: string, who: string, count: number): number | undefined {
  const found = cases.find((it) => it.on === on)?.times.find((it) => it.name === who && it.count === count)
  return found && medianOf(found.rounds.flat())
}

export function toMarkdown(cases: readonly Case[]): string {
  const lines = [
    '## Threads',
    '',
    'The time of `malloc(64)` and its free in each of several threads that do so at once, of all threads and rounds. Where there',
    'are fewer processors than threads, they take turns. "nothing" allocates nothing: it shows what the machine itself takes from',
    'threads that share nothing.',
    '',
  ]
  for (const { on, times } of cases) {
    const names = [...new Set(times.map(({ name }) => name))]
    const rows = COUNTS.map((count) => [
      String(count),
      ...names.map((name) => spread(times.find((it) => it.name === name && it.count === count)!.rounds.flat())),
    ])
    lines.push(`${on}:`, '', table(['threads', ...names], rows), '')
  }
  return lines.join('\n')
}
