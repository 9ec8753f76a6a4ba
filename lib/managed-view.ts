import { invalidType, invalidValue, outOfRange } from './errors.js'
import type { ViewConstructor } from './native-buffer.js'
import { bufferFrom, defineProperty, floor, freeze, isArray, isSafeInteger, typedArray } from './primordials.js'
import { positiveInteger } from './validate.js'

/** A typed array over the memory of a manager, with the shape that it was made with. */
export type ManagedView<T extends ArrayBufferView = ArrayBufferView> = T & {
  /** How many elements there are in each dimension. */
  readonly dims: readonly number[]
}

export interface ViewOptions {
  /** The view's name among those of its manager; the name of its type if omitted. */
  name?: string | undefined
  /** How many elements there are in each dimension: positive integers. All the memory, in one, if omitted. */
  dims?: readonly number[] | undefined
}

/** The size of an element of a typed array's class. */
export function elementSizeOf(type: unknown): number {
  const expected = 'the constructor of a typed array'
  if (typeof type !== 'function') throw invalidType('type', expected, type)
  const size: unknown = (type as { BYTES_PER_ELEMENT?: unknown }).BYTES_PER_ELEMENT
  if (typeof size !== 'number' || !isSafeInteger(size) || size < 1) throw invalidType('type', expected, type)
  return size
}

/** The name of a view: the option, or that of the type. */
export function viewName(name: unknown, type: unknown): string {
  const chosen = name === undefined ? (type as { name?: unknown }).name : name
  if (typeof chosen !== 'string') throw invalidType('options.name', 'a string', chosen)
  if (chosen === '') throw invalidValue('options.name must not be empty')
  return chosen
}

/** A copy of the shape, which fits; or that of all `byteLength` bytes. */
export function shapeOf(dims: unknown, elementSize: number, byteLength: number): readonly number[] {
  const room = byteLength / elementSize
  if (dims === undefined) {
    if (room !== floor(room)) {
      throw outOfRange('The memory', `a multiple of ${elementSize} bytes if no dims are given`, byteLength)
    }
    return freeze([room])
  }
  if (!isArray(dims)) throw invalidType('options.dims', 'an array of integers', dims)
  const shape: number[] = []
  let elements = 1
  const { length } = dims
  for (let index = 0; index < length; index++) {
    shape[index] = positiveInteger(`options.dims[${index}]`, dims[index])
    elements *= shape[index]!
  }
  if (length === 0) throw invalidValue('options.dims must have at least one dimension')
  if (elements > room) {
    throw outOfRange('The product of options.dims', `at most ${floor(room)}, as the memory has room for`, elements)
  }
  return freeze(shape)
}

/** A view of as many elements as a shape has, from the beginning of `bytes`. */
export function makeView<T extends ArrayBufferView>(
  type: ViewConstructor<T>,
  elementSize: number,
  dims: readonly number[],
  bytes: Uint8Array,
): ManagedView<T> {
  const buffer = typedArray.bufferOf(bytes) as ArrayBuffer
  const start = typedArray.byteOffsetOf(bytes)
  if (start % elementSize !== 0) {
    throw outOfRange(`The memory's place in its ArrayBuffer`, `a multiple of ${elementSize} for this type`, start)
  }
  let elements = 1
  for (let index = 0; index < dims.length; index++) elements *= dims[index]!
  // A Buffer is not made by its constructor.
  const view =
    (type as unknown) === Buffer
      ? (bufferFrom(buffer, start, elements) as unknown as T)
      : new type(buffer, start, elements)
  return defineProperty(view, 'dims', { value: dims }) as ManagedView<T>
}
