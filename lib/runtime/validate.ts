import { invalidType, outOfRange } from './errors.js'
import { isInteger, isSafeInteger, isView, max, min } from './primordials.js'

const POSITIVE = 'an integer from 1 to 2^53 - 1'

/** How a call is written that allocates: for who has put an init or options in the place of another argument. */
export interface Usage {
  readonly init: string
  readonly options: string
}

/** What to do about an argument that is in the wrong place. */
export function rightPlace(value: unknown, { init, options }: Usage): string | undefined {
  if (typeof value === 'string' || isView(value)) return `To fill the memory, write ${init}`
  return typeof value === 'object' && value !== null ? `For options, write ${options}` : undefined
}

/** A number of bytes or of elements: a positive safe integer, nothing else. */
export function positiveInteger(name: string, value: unknown): number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (value < 1 || !isSafeInteger(value)) throw outOfRange(name, POSITIVE, value)
  return value
}

/** The length in bytes of `count` elements of `size` bytes. */
export function blockLength(count: unknown, size: unknown, usage: Usage): number {
  if (typeof size !== 'number') throw invalidType('size', 'a number', size, rightPlace(size, usage))
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
