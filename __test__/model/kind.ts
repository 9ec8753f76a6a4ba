import * as fc from 'fast-check'
import { ensure } from '../random/ensure.js'
import { kindsOf, type Kind } from '../random/step.js'
import type { Block, World } from './world.js'

export const kind = kindsOf<World>()

/** One of a list, by any number. */
export function pick<T>(list: readonly T[], which: number): T | undefined {
  return list[which % Math.max(list.length, 1)]
}

/** A step on one of the live blocks, which does nothing where there is none. */
export function kindOf<T>(
  name: string,
  weight: number,
  details: fc.Arbitrary<T>,
  perform: (world: World, block: Block, details: T) => void | Promise<void>,
): Kind<World> {
  return kind(name, weight, fc.tuple(fc.nat(), details), (world, [which, made]) => {
    const block = pick(world.blocks, which)
    return block && perform(world, block, made)
  })
}

export const none = fc.constant(undefined)

/** The call must throw an error of that code, and nothing else. */
export function mustThrow(code: string, call: () => unknown): void {
  try {
    call()
  } catch (error) {
    const thrown = error as Error & { code?: string }
    if (thrown.code !== code) throw new Error(`Broken: ${thrown.code}, not ${code}`, { cause: error })
    return
  }
  ensure(false, `success, not ${code}`)
}

/** A block whose bytes may be reached elsewhere may be refused; that it was not tells that they are not. */
export function unlessEscaped<T>(block: Block, call: () => T): { value: T } | undefined {
  if (block.escaped === 'yes') {
    mustThrow('ERR_CMALLOC_ESCAPED', call)
    return undefined
  }
  try {
    const value = call()
    block.escaped = 'no'
    return { value }
  } catch (error) {
    if (block.escaped !== 'perhaps' || (error as { code?: string }).code !== 'ERR_CMALLOC_ESCAPED') throw error
    return undefined
  }
}
