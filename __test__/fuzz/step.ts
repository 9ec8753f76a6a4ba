import * as fc from 'fast-check'
import type { Block, World } from './world.js'

/** One call of a sequence, with everything that is needed to make it again. */
export interface Step {
  readonly name: string
  readonly details: unknown
}

/** A kind of step: how often it comes, how it is made up, and what it does. */
export interface Kind {
  readonly name: string
  readonly weight: number
  readonly arbitrary: fc.Arbitrary<Step>
  readonly perform: (world: World, details: never) => void | Promise<void>
}

export function kind<T>(
  name: string,
  weight: number,
  details: fc.Arbitrary<T>,
  perform: (world: World, details: T) => void | Promise<void>,
): Kind {
  return { name, weight, arbitrary: details.map((made) => ({ name, details: made })), perform }
}

/** A step that needs the handle of a register, and does nothing where there is none. */
export function kindOf<T extends { of: number }>(
  name: string,
  weight: number,
  details: fc.Arbitrary<T>,
  perform: (world: World, block: Block, details: T) => void | Promise<void>,
): Kind {
  return kind(name, weight, details, (world, made) => {
    const block = world.blocks[made.of]
    return block && perform(world, block, made)
  })
}
