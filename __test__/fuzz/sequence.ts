import * as fc from 'fast-check'
import { cFree } from './libc.js'
import { BLOCK_KINDS } from './steps/blocks.js'
import { OWNER_KINDS } from './steps/owners.js'
import { STRANGER_KINDS } from './steps/strangers.js'
import { VIEW_KINDS } from './steps/views.js'
import type { Kind, Step } from './step.js'
import { World } from './world.js'

const KINDS: readonly Kind[] = [...BLOCK_KINDS, ...OWNER_KINDS, ...VIEW_KINDS, ...STRANGER_KINDS]
const BY_NAME = new Map(KINDS.map((kind) => [kind.name, kind]))

const step: fc.Arbitrary<Step> = fc.oneof(...KINDS.map(({ weight, arbitrary }) => ({ weight, arbitrary })))

/** Calls in a row. What is left at the end is freed, or dropped for the garbage collector. */
export const sequence = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 30, size: 'max' }),
  free: fc.boolean(),
})
export type Sequence = typeof sequence extends fc.Arbitrary<infer T> ? T : never

/** Performs a sequence, and checks after each step that every handle is what it must be. */
export async function perform({ steps, free }: Sequence, log: (line: () => string) => void): Promise<void> {
  const world = new World()
  try {
    for (const [position, { name, details }] of steps.entries()) {
      log(() => `step ${position}: ${name} ${fc.stringify(details)}`)
      // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
      await BY_NAME.get(name)!.perform(world, details as never)
      world.check()
    }
    log(() => (free ? 'end: free everything' : 'end: drop everything'))
    if (free) for (const block of world.blocks) block?.handle[Symbol.dispose]()
  } finally {
    for (const { address } of world.released) cFree(address)
  }
}
