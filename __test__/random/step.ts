import * as fc from 'fast-check'

/** One call of a sequence, with everything that is needed to make it again. */
export interface Step {
  readonly name: string
  readonly details: unknown
}

/** A kind of step: how often it comes, how it is made up, and what it does to the world of its sequence. */
export interface Kind<World> {
  readonly name: string
  readonly weight: number
  readonly arbitrary: fc.Arbitrary<Step>
  readonly perform: (world: World, details: never) => void | Promise<void>
}

/** Defines a kind of step. */
export type KindOf<World> = <T>(
  name: string,
  weight: number,
  details: fc.Arbitrary<T>,
  perform: (world: World, details: T) => void | Promise<void>,
) => Kind<World>

/** What defines the kinds of steps of one world. */
export function kindsOf<World>(): KindOf<World> {
  return (name, weight, details, perform) => ({
    name,
    weight,
    arbitrary: details.map((made) => ({ name, details: made })),
    perform,
  })
}
