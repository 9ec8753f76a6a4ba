/** Makes handles say where their bytes are, where they themselves are taken for bytes. */

import { wrongUse } from './errors.js'
import { isInteger } from './primordials.js'

const { get, set, setPrototypeOf } = Reflect

/** How a program writes what it meant. */
export interface Right {
  /** Its bytes, as an array. */
  readonly bytes: string
  /** Its bytes, as numbers of a type. */
  readonly numbers: string
  /** How many there are. */
  readonly length: string
}

/** For handles that have bytes as a `NativeBuffer` has. */
export function rightOf(name: string): Right {
  return {
    bytes: `${name}.bytes`,
    numbers: `${name}.view(Float64Array)`,
    length: `${name}.byteLength`,
  }
}

const BYTES = {
  valueOf(this: { readonly bytes: Uint8Array }): Uint8Array {
    return this.bytes
  },
}

/**
 * Gives the handles of a class a prototype of last resort: it answers only for what the class does not have, and costs
 * nothing where that is not looked for.
 *
 * - `length` throws. Whatever takes a handle for an array asks for it first: `new Float64Array(handle)`,
 *   `bytes.set(handle)`, `Array.from(handle)`. It would find none, and do nothing.
 * - To set an element throws. To get one does not: `util.inspect` does, of the target of a `Proxy`.
 * - `JSON.stringify` gives a text. It does not throw, since loggers and test runners call it on what they are to show, and
 *   it has no bytes, since those may be secret.
 * - As a text it is the name of its class, with neither bytes nor address: texts are sent and logged.
 * - If it has bytes, these are its value: `Buffer.from(handle)` asks for it, and copies them.
 */
export function refuseAsArray(
  Class: { readonly prototype: object },
  name: string,
  right: Right,
  hasBytes = true,
): void {
  const what = `A ${name} is no array`
  const use = `Its bytes are ${right.bytes}, and as other numbers ${right.numbers}; how many there are is ${right.length}`
  const noLength = (): Error => wrongUse(`${what}, and has no length. ${use}`)
  const last = {
    toJSON: () => `[${name}: its bytes are not in JSON. Buffer.from(${right.bytes}).toString('base64') has them]`,
    [Symbol.toPrimitive]: () => `[object ${name}]`,
    [Symbol.toStringTag]: name,
    ...(hasBytes && BYTES),
  }
  const handler: ProxyHandler<object> = {
    get(target, key, receiver): unknown {
      if (key === 'length') throw noLength()
      return get(target, key, receiver)
    },
    set(target, key, value, receiver) {
      if (key === 'length') throw noLength()
      if (isIndex(key)) throw wrongUse(`${what}, and has no element ${String(key)}. ${use}`)
      return set(target, key, value, receiver)
    },
  }
  setPrototypeOf(Class.prototype, new Proxy(last, handler))
}

function isIndex(key: PropertyKey): boolean {
  if (typeof key !== 'string') return false
  const index = +key
  return index >= 0 && isInteger(index) && `${index}` === key
}

/**
 * A value for an own property of an object whose properties say nothing: only those are looked at where objects are
 * compared or cloned. No two symbols are equal, so that `deepEqual` fails for objects that do not share one. A symbol
 * cannot be cloned, so that `postMessage` throws. Both show the text of the symbol, which says what to do.
 */
export function makeAdvice(what: string, send: string, compare: string): symbol {
  return Symbol(`To send ${what}, ${send}; to compare, ${compare}. This one`)
}
