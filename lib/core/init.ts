import { invalidType, invalidValue, outOfRange } from '../runtime/errors.js'
import type { Slot } from '../runtime/native.js'
import { encodeUtf8, isInteger, isView, typedArray, typedArrayName } from '../runtime/primordials.js'
import { rightPlace, type Usage } from '../runtime/validate.js'

/**
 * What a block is filled with.
 *
 * - `'zero'`: zeros
 * - a number: that byte everywhere, an integer from 0 to 255
 * - a string: its UTF-8 bytes, repeated over the whole block, the last repetition cut
 * - a `Uint8Array`: its bytes, repeated likewise
 *
 * Where it is optional, `undefined` leaves the memory as it is.
 */
export type Init = 'zero' | number | string | Uint8Array

/** The fill byte that means: leave the memory as it is. */
export const UNINIT = -1

/** An {@link Init} that was checked: a byte, {@link UNINIT}, or a pattern to repeat. */
export type CheckedInit = number | Uint8Array

/**
 * Checks an optional init. `byteLength` is that of the block, beyond which a text need not be encoded.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`
 */
export function checkOptionalInit(init: unknown, byteLength: number, usage?: Usage): CheckedInit {
  return init === undefined ? UNINIT : checkInit(init, byteLength, usage)
}

/** Checks an init that must be there. */
export function checkInit(init: unknown, byteLength: number, usage?: Usage): CheckedInit {
  if (init === 'zero') return 0
  if (typeof init === 'number') {
    if (!isInteger(init) || init < 0 || init > 255) throw outOfRange('init', 'an integer from 0 to 255', init)
    return init + 0
  }
  if (typeof init === 'string') {
    if (init === '') throw invalidValue("init must not be an empty string. For zeros, use 'zero'")
    return simplest(encode(init, byteLength))
  }
  if (isView(init) && typedArrayName(init) === 'Uint8Array') {
    if (typedArray.byteLengthOf(init) === 0)
      throw invalidValue("init must not be an empty Uint8Array. For zeros, use 'zero'")
    return simplest(init as Uint8Array)
  }
  const advice = usage && !isView(init) ? rightPlace(init, usage) : undefined
  throw invalidType('init', "'zero', an integer from 0 to 255, a string or a Uint8Array", init, advice)
}

/** A pattern of one byte becomes that byte: touching the pages of a new block fills them with it, in one pass. */
function simplest(pattern: Uint8Array): CheckedInit {
  return typedArray.byteLengthOf(pattern) === 1 ? pattern[0]! : pattern
}

/** The byte that a block can be filled with as it is made. */
export function fillByte(init: CheckedInit): number | null {
  return typeof init === 'number' && init !== UNINIT ? init : null
}

/** Fills a part of a slot's block. */
export function fillSlot(slot: Slot, init: CheckedInit, start: number, end: number): void {
  if (typeof init !== 'number') slot.fill(init, start, end)
  else if (init !== UNINIT) slot.fillByte(init, start, end)
}

/**
 * The UTF-8 bytes of as much of a text as the block has room for. A UTF-16 code unit gives at least one
 * byte; one more is kept, as the last may be the first half of a character.
 */
function encode(text: string, byteLength: number): Uint8Array {
  return encodeUtf8(text.length > byteLength + 1 ? text.slice(0, byteLength + 1) : text)
}
