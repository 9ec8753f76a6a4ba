/**
 * What the language offers, as it was when cmalloc was loaded: a program that changes a prototype later
 * does not change what cmalloc does.
 */

const { apply, getOwnPropertyDescriptor, getPrototypeOf } = Reflect

function getter<T>(prototype: object, key: PropertyKey): (receiver: unknown) => T {
  const get = getOwnPropertyDescriptor(prototype, key)?.get
  if (get === undefined) throw new Error(`There is no getter ${String(key)}`)
  return (receiver) => apply(get, receiver, []) as T
}

/** `buffer.byteLength`, which is 0 as soon as the buffer is detached. */
export const arrayBufferByteLength = getter<number>(ArrayBuffer.prototype, 'byteLength')

/** The name of a typed array's class, also of a subclass; `undefined` for anything else. */
export const typedArrayName = getter<string | undefined>(
  getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)

export const bufferFrom: {
  (text: string, encoding: 'utf8'): Buffer<ArrayBuffer>
  (buffer: ArrayBufferLike, byteOffset: number, length: number): Buffer<ArrayBuffer>
} = Buffer.from.bind(Buffer) as never

export const isView: (value: unknown) => value is ArrayBufferView = ArrayBuffer.isView

export const { isInteger, isSafeInteger } = Number
