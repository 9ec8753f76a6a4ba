import * as fc from 'fast-check'
import type { Kind, Step } from './step.js'

/** Calls in a row. What is left at the end is freed, or dropped for the garbage collector. */
export interface Sequence {
  readonly steps: Step[]
  readonly free: boolean
}

/** The state of one sequence. */
export interface World {
  /** Everything must be what it is known to be. */
  check(): void
  /** Ends what is left: by freeing it, or by leaving it to the garbage collector. */
  finish(free: boolean): void | Promise<void>
}

/** Random sequences of one kind. */
export interface Suite {
  /** What all blocks of a sequence may hold together. */
  readonly memoryLimit: number
  readonly sequence: fc.Arbitrary<Sequence>
  /** Performs a sequence, with a check after each step. */
  perform(sequence: Sequence, log: (line: () => string) => void): Promise<void>
}

export function defineSuite<W extends World>(
  memoryLimit: number,
  maxLength: number,
  kinds: readonly Kind<W>[],
  begin: () => W,
): Suite {
  const byName = new Map(kinds.map((kind) => [kind.name, kind]))
  const step = fc.oneof(...kinds.map(({ weight, arbitrary }) => ({ weight, arbitrary })))
  return {
    memoryLimit,
    sequence: fc.record({
      steps: fc.array(step, { minLength: 1, maxLength, size: 'max' }),
      free: fc.boolean(),
    }),
    async perform({ steps, free }, log) {
      const world = begin()
      let finished = false
      try {
        for (const [position, { name, details }] of steps.entries()) {
          log(() => `step ${position}: ${name} ${fc.stringify(details)}`)
          const performing = byName.get(name)!.perform(world, details as never)
          // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
          if (performing !== undefined) await performing
          world.check()
        }
        log(() => (free ? 'end: free everything' : 'end: drop everything'))
        finished = true
        await world.finish(free)
      } finally {
        if (!finished) await world.finish(true)
      }
    },
  }
}
