import { Bytes } from '../runtime/bytes.js'
import { invalidType } from '../runtime/errors.js'
import {
  arrayBufferByteLength,
  dataView,
  isView,
  sharedArrayBufferByteLength,
  typedArray,
  typedArrayName,
} from '../runtime/primordials.js'

const EMPTY = new Bytes(0)

/**
 * The bytes of a view or of a buffer, not a copy; empty if it is out of bounds or detached. Runs no code of theirs.
 *
 * @throws `ERR_INVALID_ARG_TYPE`
 */
export function bytesOf(data: unknown): Uint8Array {
  if (isView(data)) {
    const { bufferOf, byteOffsetOf, byteLengthOf } = typedArrayName(data) === undefined ? dataView : typedArray
    try {
      const byteLength = byteLengthOf(data)
      return byteLength === 0 ? EMPTY : new Bytes(bufferOf(data), byteOffsetOf(data), byteLength)
    } catch {
      // A DataView out of the bounds of its buffer.
      return EMPTY
    }
  }
  for (const byteLengthOf of [arrayBufferByteLength, sharedArrayBufferByteLength]) {
    try {
      return byteLengthOf(data) === 0 ? EMPTY : new Bytes(data as ArrayBufferLike)
    } catch {
      // It is no buffer of that kind.
    }
  }
  throw invalidType('data', 'a view, an ArrayBuffer or a SharedArrayBuffer', data)
}
