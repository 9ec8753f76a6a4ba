import { invalidType, outOfRange } from './errors.js'
import { isInteger, isSafeInteger, max, min } from './primordials.js'

const POSITIVE = 'an integer from 1 to 2^53 - 1'

/** The options of a call: an object, whatever it has. */
export function mustBeOptions(options: unknown): asserts options is object {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options)
}

/** A number of bytes or of elements: a positive safe integer, nothing else. */
export function positiveInteger(name: string, value: unknown): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (value < 1 || !isSafeInteger(value)) throw outOfRange(name, POSITIVE, value)
  return value
}

/** The length in bytes of `count` elements of `size` bytes. */
export function blockLength(count: unknown, size: unknown): number {
  const byteLength = positiveInteger('count', count) * positiveInteger('size', size)
  if (!isSafeInteger(byteLength)) throw outOfRange('count * size', POSITIVE, byteLength)
  return byteLength
}

/** An index into a block: an integer from 0 to `last`, or `fallback` for `undefined`. */
export function index(name: string, value: unknown, fallback: number, last: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (!isInteger(value) || value < 0 || value > last) throw outOfRange(name, `an integer from 0 to ${last}`, value)
  return value
}

/** An index that counts from the end if it is negative, as the typed arrays have them. */
export function relativeIndex(name: string, value: unknown, fallback: number, length: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (!isInteger(value)) throw outOfRange(name, 'an integer', value)
  return value < 0 ? max(length + value, 0) : min(value, length)
}
