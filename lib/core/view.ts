import { invalidType, outOfRange } from '../runtime/errors.js'
import { bufferFrom, floor, NodeBuffer, typedArray } from '../runtime/primordials.js'
import { index } from '../runtime/validate.js'

/** The constructor of a typed array or of `DataView`; `Buffer` too. `length` counts elements, of a `DataView` bytes. */
export type ViewConstructor<T extends ArrayBufferView> = new (
  buffer: ArrayBuffer,
  byteOffset?: number,
  length?: number,
) => T

/** A run of bytes of an `ArrayBuffer`. */
export interface Part {
  readonly buffer: ArrayBuffer
  readonly start: number
  readonly byteLength: number
}

/** The part that a typed array has. */
export function partOf(bytes: Uint8Array): Part {
  const { bufferOf, byteOffsetOf, byteLengthOf } = typedArray
  return { buffer: bufferOf(bytes) as ArrayBuffer, start: byteOffsetOf(bytes), byteLength: byteLengthOf(bytes) }
}

/**
 * A view of some elements of a part. `look` finds the part. It is called after the class was asked for the size of an
 * element, which may run code of the program.
 *
 * @param byteOffset - where the view starts in the part
 * @param length - the number of its elements, for a `DataView` of its bytes; up to the end if omitted
 */
export function viewOf<T extends ArrayBufferView>(
  type: ViewConstructor<T>,
  look: () => Part,
  byteOffset: number,
  length: number | undefined,
): T {
  if (typeof type !== 'function') throw invalidType('type', 'the constructor of a view, such as Float64Array', type)
  const elementSize = elementSizeOf(type)
  const { buffer, start, byteLength } = look()
  const at = start + index('byteOffset', byteOffset, 0, byteLength)
  if (at % elementSize !== 0) {
    const multiple = `a multiple of ${elementSize}, the size of an element`
    if (start % elementSize === 0) throw outOfRange('byteOffset', multiple, byteOffset)
    throw outOfRange('Where the view starts in its ArrayBuffer', multiple, at)
  }
  const room = (byteLength - byteOffset) / elementSize
  if (length === undefined && room !== floor(room)) {
    throw outOfRange(
      'The rest of the block',
      `a multiple of ${elementSize} bytes if no length is given`,
      byteLength - byteOffset,
    )
  }
  const elements = index('length', length, room, floor(room))
  // A Buffer is not made by its constructor.
  if ((type as unknown) === NodeBuffer) return bufferFrom(buffer, at, elements) as unknown as T
  return new type(buffer, at, elements)
}

function elementSizeOf(type: unknown): number {
  const size: unknown = (type as { BYTES_PER_ELEMENT?: unknown }).BYTES_PER_ELEMENT
  return typeof size === 'number' && size >= 1 ? size : 1
}
