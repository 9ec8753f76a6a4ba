import { partOf, viewOf, type ViewConstructor } from '../core/view.js'
import { invalidType, invalidValue, outOfRange } from '../runtime/errors.js'
import { defineProperty, floor, freeze, isArray, isSafeInteger } from '../runtime/primordials.js'
import { positiveInteger } from '../runtime/validate.js'

/** A typed array over the memory of a manager, with the shape that it was made with. */
export type ManagedView<T extends ArrayBufferView = ArrayBufferView> = T & {
  /** How many elements there are in each dimension. */
  readonly dims: readonly number[]
}

/** What a view can be told. */
export interface ViewOptions {
  /** The view's name among those of its manager; the name of its type if omitted. */
  name?: string | undefined
  /** How many elements there are in each dimension: positive integers. All the memory, in one, if omitted. */
  dims?: readonly number[] | undefined
}

export const VIEW_OPTIONS = ['name', 'dims'] as const satisfies (keyof ViewOptions)[]

/** The size of an element of a typed array's class. */
export function elementSizeOf(type: unknown): number {
  const expected = 'the constructor of a typed array'
  if (typeof type !== 'function') throw invalidType('type', expected, type)
  const size: unknown = (type as { BYTES_PER_ELEMENT?: unknown }).BYTES_PER_ELEMENT
  // In Bun the class DataView has a size of elements too.
  const isDataView = type === DataView || type.prototype instanceof DataView
  if (isDataView || typeof size !== 'number' || !isSafeInteger(size) || size < 1)
    throw invalidType('type', expected, type)
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
  dims: readonly number[],
  bytes: Uint8Array,
): ManagedView<T> {
  let elements = 1
  for (let index = 0; index < dims.length; index++) elements *= dims[index]!
  return defineProperty(
    viewOf(type, () => partOf(bytes), 0, elements),
    'dims',
    { value: dims },
  ) as ManagedView<T>
}
