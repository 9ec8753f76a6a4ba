import { Bytes } from '../runtime/bytes.js'
import { cellOf, type NativeBuffer } from './native-buffer.js'
import { readFrom } from './slots.js'

/** A copy of a part of a block. It makes no `ArrayBuffer` over the block, which may then be swept. */
export function copyOut(buffer: NativeBuffer, start: number, byteLength: number): Bytes {
  const copy = new Bytes(byteLength)
  readFrom(cellOf(buffer, 'copy'), copy, start)
  return copy
}
