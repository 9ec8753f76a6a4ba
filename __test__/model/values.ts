import * as fc from 'fast-check'
import type { Init, MallocOptions } from 'cmalloc'
import { ALIGNMENTS } from '../random/reach.js'
import { HAS_SECURE } from '../support/system.js'

/** Mostly small, often one of a few, at times pages, rarely more than C's malloc keeps in its heap. */
export const length: fc.Arbitrary<number> = fc.oneof(
  { weight: 40, arbitrary: fc.integer({ min: 1, max: 400 }) },
  { weight: 20, arbitrary: fc.constantFrom(16, 100, 3000) },
  { weight: 10, arbitrary: fc.integer({ min: 401, max: 20_000 }) },
  { weight: 4, arbitrary: fc.constantFrom(4095, 4096, 4097, 65_535, 65_536, 65_537, 131_072) },
  { weight: 1, arbitrary: fc.integer({ min: 20_001, max: 1_500_000 }) },
)

/** A position in a block, as a share of its length; both ends often. */
export const position: fc.Arbitrary<number> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(0, 1) },
  { weight: 2, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
)

/** Two positions in a block of that length, the lower one first. */
export function rangeOf([one, other]: readonly [number, number], byteLength: number): [number, number] {
  const [from, to] = [Math.round(one * byteLength), Math.round(other * byteLength)]
  return from < to ? [from, to] : [to, from]
}

export const init: fc.Arbitrary<Init> = fc.oneof<fc.Arbitrary<Init>[]>(
  fc.constant('zero'),
  fc.nat(255),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => text !== 'zero'),
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
)

/** What is special about a block: mostly nothing. */
export const options: fc.Arbitrary<MallocOptions> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<MallocOptions>({}) },
  {
    weight: 2,
    arbitrary: fc.record({
      align: fc.constantFrom(...ALIGNMENTS),
      secure: HAS_SECURE ? fc.boolean() : fc.constant(false),
    }),
  },
  { weight: 1, arbitrary: fc.record({ align: fc.constantFrom(...ALIGNMENTS), lazy: fc.constant(true) }) },
)

export const optionalInit: fc.Arbitrary<Init | undefined> = fc.option(init, { nil: undefined, freq: 3 })

/** What an init writes to so many bytes. */
export function bytesOf(given: Init, byteLength: number): Uint8Array {
  const pattern = given === 'zero' ? 0 : typeof given === 'string' ? Buffer.from(given) : given
  return typeof pattern === 'number' ? Buffer.alloc(byteLength, pattern) : Buffer.alloc(byteLength, pattern)
}
