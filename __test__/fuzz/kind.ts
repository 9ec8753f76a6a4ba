import type * as fc from 'fast-check'
import { kindsOf, type Kind } from '../random/step.js'
import type { Block, World } from './world.js'

export const kind = kindsOf<World>()

/** A step that needs the handle of a register, and does nothing where there is none. */
export function kindOf<T extends { of: number }>(
  name: string,
  weight: number,
  details: fc.Arbitrary<T>,
  perform: (world: World, block: Block, details: T) => void | Promise<void>,
): Kind<World> {
  return kind(name, weight, details, (world, made) => {
    const block = world.blocks[made.of]
    return block && perform(world, block, made)
  })
}
