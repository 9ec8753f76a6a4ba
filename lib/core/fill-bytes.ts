import { Bytes } from '../runtime/bytes.js'
import { min, typedArray } from '../runtime/primordials.js'
import { UNINIT, type CheckedInit } from './init.js'

const { bufferOf, byteLengthOf, byteOffsetOf, copyWithin, fill, set } = typedArray

/** Fills a part of some bytes without a native call. `pattern` may be a view of the very bytes. */
export function fillBytes(bytes: Uint8Array, init: CheckedInit, start: number, end: number): void {
  if (typeof init !== 'number') repeat(bytes, init, start, end)
  else if (init !== UNINIT) fill(bytes, init, start, end)
}

function repeat(bytes: Uint8Array, pattern: Uint8Array, start: number, end: number): void {
  const length = end - start
  const first = min(byteLengthOf(pattern), length)
  set(bytes, new Bytes(bufferOf(pattern), byteOffsetOf(pattern), first), start)
  // What is there already is doubled: whole patterns, until the rest is less.
  for (let done = first; done < length; done *= 2) {
    copyWithin(bytes, start + done, start, start + min(done, length - done))
  }
}
