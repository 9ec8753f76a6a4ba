/** What programs do with small blocks, beside the same through libraries that call C's malloc and free. */

import { isLazy, librariesOf, nameOf, runSample, RUNTIMES, type Effort } from '../programs.js'
import { medianOf } from '../report/spread.js'
import { spread, table, time } from '../report/text.js'

/** As samples/tasks.js has them: what each is, how often it is done in a round, and who else does it. */
const TASKS = {
  zeros: { title: "64 B of zeros and their end; the libraries' blocks are not zeroed", cycles: 100_000 },
  window: {
    title: '500 live blocks of 16 to 128 B, of which one after the other is replaced, by chance',
    cycles: 100_000,
  },
  random: { title: 'blocks of 1 to 1000 B, by chance, each freed at once', cycles: 100_000 },
  from: { title: 'a copy of 64 B, and its end: `NativeBuffer.from`, or malloc, a view, and `set`', cycles: 30_000 },
  bytes: { title: '64 B, a view, one write through it, and their end', cycles: 30_000 },
  write: { title: '64 B into a block that lives: `write`, or a view and `set`', cycles: 50_000, also: 'bytes.set' },
  read: { title: '64 B out of a block that lives: `read`, or a view and `set`', cycles: 50_000, also: 'set of bytes' },
} as const

export type Task = keyof typeof TASKS

const PLAN = { full: { passes: 2, rounds: 11, share: 1 }, quick: { passes: 1, rounds: 5, share: 0.2 } }

export interface Case {
  task: Task
  on: string
  who: string
  /** Nanoseconds of a cycle, in each round: those that passed, and those that processors worked. */
  wall: number[]
  cpu: number[]
}

type Run = Pick<Case, 'wall' | 'cpu'> & { name: string }

export function measure(log: (line: string) => void, effort: Effort): Case[] {
  const { passes, rounds, share } = PLAN[effort]
  const cases: Case[] = []
  for (const [task, how] of Object.entries(TASKS) as [Task, { cycles: number; also?: string }][]) {
    for (let pass = 0; pass < passes; pass++) {
      for (const runtime of RUNTIMES) {
        const on = nameOf(runtime)
        const who = ['cmalloc', ...librariesOf(runtime), ...(how.also === undefined ? [] : [how.also])]
        const runs = runSample<Run[]>(runtime, 'tasks', task, rounds, how.cycles * share, ...who)
        for (const { name, wall, cpu } of runs) {
          const known = find(cases, task, on, name)
          known?.wall.push(...wall)
          known?.cpu.push(...cpu)
          if (known === undefined) cases.push({ task, on, who: name, wall, cpu })
        }
      }
    }
    log(`tasks: ${task}`)
  }
  return cases
}

export function find(cases: readonly Case[], task: Task, on: string, who: string): Case | undefined {
  return cases.find((it) => it.task === task && it.on === on && it.who === who)
}

export function toMarkdown(cases: readonly Case[]): string {
  const lines = ['## Small blocks', '', 'Times as above.', '']
  for (const [task, { title }] of Object.entries(TASKS)) {
    const rows = cases
      .filter((it) => it.task === task)
      .map(({ who, on, wall, cpu }) => [who, on, spread(wall), time(medianOf(cpu)), isLazy(who) ? 'not resident' : ''])
    lines.push(`${title}:`, '', table(['who', 'on', 'time', 'processor time', ''], rows), '')
  }
  return lines.join('\n')
}
