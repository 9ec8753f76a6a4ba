/**
 * Errors and buffers of this realm. A test runner may evaluate cmalloc in a context of its own, as Jest does; the addon makes
 * objects of Node's. There, a test's `instanceof RangeError` would be false for its errors.
 */

import { types } from 'node:util'
import { apply, defineProperty, isSharedArrayBuffer, PlainArrayBuffer, PlainSharedArrayBuffer } from './primordials.js'

const { isArrayBuffer, isNativeError, isPromise } = types
const { getPrototypeOf, setPrototypeOf } = Object

type Binding = typeof import('../../index.js')
type AnyFunction = (this: unknown, ...args: unknown[]) => unknown
type AnyClass = new (...args: any[]) => object

/** Whether a function makes objects of this realm. */
export function isOfThisRealm(made: object): boolean {
  return getPrototypeOf(made) === Function.prototype
}

/**
 * Makes an error, an `ArrayBuffer` or a `SharedArrayBuffer` one of this realm's. It stays the same object; anything else stays
 * as it is.
 */
export function toThisRealm<T>(value: T): T {
  if (isNativeError(value)) {
    if (!(value instanceof Error)) setPrototypeOf(value, prototypeOf((value as Error).name))
  } else if (isArrayBuffer(value) && getPrototypeOf(value) !== PlainArrayBuffer.prototype) {
    setPrototypeOf(value, PlainArrayBuffer.prototype)
  } else if (isSharedArrayBuffer(value) && PlainSharedArrayBuffer !== undefined) {
    setPrototypeOf(value, PlainSharedArrayBuffer.prototype)
  }
  return value
}

function prototypeOf(name: unknown): Error {
  if (name === 'RangeError') return RangeError.prototype
  return name === 'TypeError' ? TypeError.prototype : Error.prototype
}

/** The same function; what it throws and returns is of this realm. */
export function translated<F>(call: F): F {
  const result = function (this: unknown, ...args: unknown[]): unknown {
    try {
      const value = apply(call as AnyFunction, this, args)
      return isPromise(value) ? settled(value) : toThisRealm(value)
    } catch (error) {
      throw toThisRealm(error)
    }
  }
  return result as F
}

async function settled(promise: Promise<unknown>): Promise<unknown> {
  try {
    return toThisRealm(await promise)
  } catch (error) {
    throw toThisRealm(error)
  }
}

function translatedClass<C>(Class: C): C {
  class Translated extends (Class as AnyClass) {
    constructor(...args: unknown[]) {
      try {
        super(...args)
      } catch (error) {
        throw toThisRealm(error)
      }
    }
  }
  const members = Object.getOwnPropertyDescriptors((Class as AnyClass).prototype as Record<string, unknown>)
  for (const [name, { get, value }] of Object.entries(members)) {
    if (name === 'constructor') continue
    const member = get === undefined ? { value: translated(value) } : { get: translated(get) }
    defineProperty(Translated.prototype, name, { ...member, configurable: true })
  }
  return Translated as C
}

/** Those whose objects are of one evaluation. */
const CLASSES = new Set(['BlockPool', 'IncrementalBlock', 'Slot'])
/** Their objects are of the whole thread: who uses one must translate what it throws. */
const SHARED = 'AddressRanges'

/** The binding as this realm sees it. */
export function translatedBinding(binding: Binding): Binding {
  const result: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(binding)) {
    if (CLASSES.has(name)) result[name] = translatedClass(value)
    else result[name] = typeof value === 'function' && name !== SHARED ? translated(value) : value
  }
  result['takeRawCalls'] = () => {
    const calls = Object.entries(binding.takeRawCalls())
    return Object.fromEntries(
      calls.map(([name, value]) => [name, typeof value === 'function' ? translated(value) : (value as unknown)]),
    )
  }
  return result as Binding
}
