/** What is built on blocks: regions of an arena, a pool, managers. */

import { MAIN, nameOf, runC, runSample, type Effort } from '../programs.js'
import { medianOf } from '../report/spread.js'
import { size, spread, table, time } from '../report/text.js'

const REGION = 64
const POOLED = 8 * 2 ** 20
const MANAGED = [100, 1000, 10_000, 100_000]
const PLAN = { full: { samples: 11, rounds: 25 }, quick: { samples: 3, rounds: 7 } }

interface Pooled {
  first: number
  second: number
  later: number
}

export interface Case {
  on: string
  arena: Record<string, number[]>
  pool: Pooled[]
  managers: { count: number; times: number[] }[]
}

export function measure(log: (line: string) => void, effort: Effort): Case[] {
  const { samples, rounds } = PLAN[effort]
  return MAIN.map((runtime) => {
    const result: Case = {
      on: nameOf(runtime),
      arena: runSample<Case['arena']>(runtime, 'arena', REGION, rounds, 100_000),
      pool: Array.from({ length: samples }, () => {
        // See cold.ts: the host of a virtual machine may have taken the memory back.
        runC('best', POOLED, 'warm')
        return runSample<Pooled>(runtime, 'pool', POOLED)
      }),
      managers: runSample<Case['managers']>(runtime, 'managers', ...MANAGED),
    }
    log(`built: ${result.on}`)
    return result
  })
}

/** The median time of a manager while so many are alive. */
export function managerTime({ managers }: Case, count: number): number {
  return medianOf(managers.find((it) => it.count === count)!.times)
}

/** The median times of a pool's first block, and of its second. */
export function poolTimes({ pool }: Case): [first: number, second: number] {
  return [medianOf(pool.map(({ first }) => first)), medianOf(pool.map(({ second }) => second))]
}

export function toMarkdown(cases: readonly Case[]): string {
  const lines = ['## What is built on blocks', '']
  for (const { on, arena, pool, managers } of cases) {
    lines.push(
      `### ${on}`,
      '',
      `A region of ${size(REGION)}, beside peers; the median of all rounds, and between which values a half of them lie:`,
      '',
      table(
        ['who', 'time'],
        Object.entries(arena).map(([who, times]) => [who, spread(times)]),
      ),
      '',
      `A block of ${size(POOLED)} from a Pool, in ${pool.length} fresh processes:`,
      '',
      table(
        ['which', 'time'],
        [
          ['the first, cold', spread(pool.map(({ first }) => first))],
          ['the second', spread(pool.map(({ second }) => second))],
          ['later ones', spread(pool.map(({ later }) => later))],
        ],
      ),
      '',
      'A new MemManager of 64 B and its `free()`, while so many are alive:',
      '',
      table(
        ['alive', 'time'],
        managers.map(({ count, times }) => [String(count), time(medianOf(times))]),
      ),
      '',
    )
  }
  return lines.join('\n')
}
