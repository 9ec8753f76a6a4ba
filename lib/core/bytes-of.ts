import { Bytes } from '../runtime/bytes.js'
import { invalidType } from '../runtime/errors.js'
import {
  arrayBufferByteLength,
  dataView,
  isSharedArrayBuffer,
  isView,
  typedArray,
  typedArrayName,
} from '../runtime/primordials.js'

const EMPTY = new Bytes(0)

/**
 * The bytes of a view or of a buffer, not a copy; empty if it is out of bounds or detached. Runs no code of theirs.
 *
 * @throws `ERR_INVALID_ARG_TYPE`
 */
export function bytesOf(name: string, data: unknown): Uint8Array {
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
  if (isSharedArrayBuffer(data)) return new Bytes(data)
  try {
    return arrayBufferByteLength(data) === 0 ? EMPTY : new Bytes(data as ArrayBuffer)
  } catch {
    // It is none.
  }
  const advice = typeof data === 'string' ? 'For a text, pass Buffer.from(text)' : undefined
  throw invalidType(name, 'a view, an ArrayBuffer or a SharedArrayBuffer', data, advice)
}
