/**
 * What the language offers, as it was when cmalloc was loaded: a program that changes a prototype later
 * does not change what cmalloc does.
 */

import { Buffer } from 'node:buffer'
import { errorMonitor } from 'node:events'
import { finished as streamFinished } from 'node:stream'
import * as timers from 'node:timers'
import { performance } from 'node:perf_hooks'
import { TextEncoder, types } from 'node:util'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { process } from './process.js'

export const { apply } = Reflect
const { getOwnPropertyDescriptor, getPrototypeOf } = Reflect

function getter<T>(prototype: object, key: PropertyKey): (receiver: unknown) => T {
  const get = getOwnPropertyDescriptor(prototype, key)?.get
  if (get === undefined) throw new Error(`There is no getter ${String(key)}`)
  return (receiver) => apply(get, receiver, []) as T
}

/** A method as a function of its receiver. */
function uncurry<F>(method: (...args: never[]) => unknown): F {
  return Function.prototype.call.bind(method) as F
}

const TypedArrayPrototype = getPrototypeOf(Uint8Array.prototype) as object

function viewGetters(prototype: object) {
  return {
    bufferOf: getter<ArrayBufferLike>(prototype, 'buffer'),
    byteOffsetOf: getter<number>(prototype, 'byteOffset'),
    byteLengthOf: getter<number>(prototype, 'byteLength'),
  }
}

/** `buffer.byteLength`, which is 0 as soon as the buffer is detached. */
export const arrayBufferByteLength = getter<number>(ArrayBuffer.prototype, 'byteLength')

/** Not by the class: a context may have none of that name. */
export const { isSharedArrayBuffer } = types
export const PlainSharedArrayBuffer = typeof SharedArrayBuffer === 'function' ? SharedArrayBuffer : undefined

/** The name of a typed array's class, also of a subclass; `undefined` for anything else. */
export const typedArrayName = getter<string | undefined>(TypedArrayPrototype, Symbol.toStringTag)

const { copyWithin, fill, set: write } = TypedArrayPrototype as Uint8Array

/**
 * What a view is a view of, and what is done to its elements. A typed array out of the bounds of its buffer is empty, a
 * `DataView` then throws.
 */
export const typedArray = {
  ...viewGetters(TypedArrayPrototype),
  copyWithin: uncurry<(bytes: Uint8Array, target: number, start: number, end: number) => unknown>(copyWithin),
  fill: uncurry<(bytes: Uint8Array, value: number, start: number, end: number) => unknown>(fill),
  set: uncurry<(bytes: Uint8Array, source: Uint8Array, offset: number) => void>(write),
}
export const dataView = viewGetters(DataView.prototype)

export const NodeBuffer = Buffer

export const bufferFrom: (buffer: ArrayBufferLike, byteOffset: number, length: number) => Buffer<ArrayBuffer> =
  Buffer.from.bind(Buffer) as never

/** The UTF-8 bytes of a text. Not by `Buffer.from`, which asks a typed array's prototype from Node 22 on. */
export const encodeUtf8: (text: string) => Uint8Array<ArrayBuffer> = TextEncoder.prototype.encode.bind(
  new TextEncoder(),
) as never

export const isView: (value: unknown) => value is ArrayBufferView = ArrayBuffer.isView

export const { isInteger, isSafeInteger } = Number
export const { ceil, floor, max, min } = Math
export const { assign, defineProperty, freeze } = Object
export const { isArray } = Array

// Node 20 gives it to its own realm only. Jest gives the same one to contexts.
if ((Symbol.dispose as symbol | undefined) === undefined) {
  defineProperty(Symbol, 'dispose', { value: Symbol.for('nodejs.dispose') })
}

/** The classes, which a program may replace as well. */
export const PlainArrayBuffer = ArrayBuffer
export const PlainMap = Map

const { transfer } = ArrayBuffer.prototype as { transfer?: (this: ArrayBuffer, byteLength: number) => ArrayBuffer }

/** Node 20 has no `transfer`. Its `structuredClone` is a global, which a context may lack or have another of. */
let channel: MessageChannel | undefined

function detachByMessage(buffer: ArrayBuffer): void {
  channel ??= new MessageChannel()
  channel.port1.postMessage(null, [buffer])
  // It would be kept until then.
  receiveMessageOnPort(channel.port2)
}

/** Takes an `ArrayBuffer`'s bytes away from it and from its views. Throws if it cannot be detached. */
export const detach: (buffer: ArrayBuffer) => void =
  transfer === undefined ? detachByMessage : (buffer) => void apply(transfer, buffer, [0])

const { get, set, delete: remove, forEach } = Map.prototype

/** The methods of a map, as functions of the map. */
export const mapGet: <K, V>(map: Map<K, V>, key: K) => V | undefined = uncurry(get)
export const mapSet: <K, V>(map: Map<K, V>, key: K, value: V) => Map<K, V> = uncurry(set)
export const mapDelete: <K, V>(map: Map<K, V>, key: K) => boolean = uncurry(remove)
export const mapForEach: <K, V>(map: Map<K, V>, visit: (value: V, key: K) => void) => void = uncurry(forEach)

/** The methods of a weak map, likewise. */
export const weakMapGet: <K extends WeakKey, V>(map: WeakMap<K, V>, key: K) => V | undefined = uncurry(
  WeakMap.prototype.get,
)
export const weakMapSet: <K extends WeakKey, V>(map: WeakMap<K, V>, key: K, value: V) => WeakMap<K, V> = uncurry(
  WeakMap.prototype.set,
)
export const weakMapDelete: <K extends WeakKey, V>(map: WeakMap<K, V>, key: K) => boolean = uncurry(
  WeakMap.prototype.delete,
)

/** The methods of a weak set, likewise. */
export const weakSetAdd: (set: WeakSet<WeakKey>, value: WeakKey) => WeakSet<WeakKey> = uncurry(WeakSet.prototype.add)
export const weakSetHas: (set: WeakSet<WeakKey>, value: WeakKey) => boolean = uncurry(WeakSet.prototype.has)

/** The methods of a finalization registry, likewise. */
export const watch: <T>(registry: FinalizationRegistry<T>, target: WeakKey, held: T, token: WeakKey) => void = uncurry(
  FinalizationRegistry.prototype.register,
)
export const unwatch: <T>(registry: FinalizationRegistry<T>, token: WeakKey) => boolean = uncurry(
  FinalizationRegistry.prototype.unregister,
)

export const { clearInterval, setImmediate, setInterval } = timers
export type Timer = ReturnType<typeof setInterval>

/** The class, which a program may replace as well. */
export const WeakReference = WeakRef

/** What a weak reference refers to, as long as that is there. */
export const deref: <T extends object>(reference: WeakRef<T>) => T | undefined = uncurry(WeakRef.prototype.deref)

/** Lets the process end while a timer runs. Each runtime has timers of its own. */
export function unref(timer: Timer): void {
  timer.unref()
}

/** The same for what runs as the event loop turns. */
export function unrefImmediate(immediate: NodeJS.Immediate): void {
  immediate.unref()
}

/** Milliseconds, from some moment on. */
export const now = (): number => performance.now()

/** Names the event of an error to those who only watch. */
export { errorMonitor }

/** Calls back once a stream is over. Returns what stops that. Throws for what is no stream. */
export const finished: (stream: object, options: { error: boolean }, callback: () => void) => () => void =
  streamFinished as never

/** Runs a function once the stack is empty. What it throws is an error that nobody catches. */
export const nextTick: (callback: () => void) => void = process.nextTick

const settled = Promise.resolve()
// Else a program's own constructor would be asked which class the promise of `then` has.
defineProperty(settled, 'constructor', { value: undefined })
const then = uncurry<(promise: Promise<void>, callback: () => void) => unknown>(Promise.prototype.then)

/** The same for what throws nothing, in one step: it cannot be interrupted half-way. */
export const afterThis = (callback: () => void): void => void then(settled, callback)
