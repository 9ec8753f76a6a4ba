import * as fc from 'fast-check'
import { Thrown } from './outcome.js'
import { collect } from '../random/collect.js'
import { ALIGNMENTS } from '../random/reach.js'
import { streamOf, transfer } from '../random/moves.js'
import { resync, REGISTERS, type World } from './world.js'

/** What the code of an argument does to a handle while the call is under way. */
export interface Effect {
  does: 'nothing' | 'free' | 'resize' | 'view' | 'detach' | 'gc' | 'throw'
  register: number
}

/** How a value is made, so that a sequence can be printed and made again. */
export type Recipe =
  | { is: 'number'; value: number }
  | { is: 'bigint'; value: bigint }
  | { is: 'text'; value: string }
  | { is: 'bytes'; value: number[]; memory: 'own' | 'shared' | 'resizable' | 'buffer' | 'detached' }
  | { is: 'handle' | 'bytes of'; register: number; from?: number; to?: number }
  | { is: 'undefined' | 'null' | 'true' | 'symbol' | 'function' | 'array' | 'object' | 'boxed' | 'revoked proxy' }
  | { is: 'coercible' | 'proxy'; value: number; effect: Effect }

export const register = fc.nat(REGISTERS - 1)

export const effect: fc.Arbitrary<Effect> = fc.record({
  does: fc.constantFrom('nothing', 'free', 'resize', 'view', 'detach', 'gc', 'throw'),
  register,
})

const number = (value: number): Recipe => ({ is: 'number', value })
const numbers = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(16, 100)).map(number)
const edges = fc
  .constantFrom(1, 2, 7, 8, 9, 4095, 4096, 4097, 65_535, 65_536, 131_072, 2 ** 20 + 1, 5 * 2 ** 20)
  .map(number)
const refused = fc
  .constantFrom(300 * 2 ** 20, 2 ** 31, 3e9, 2 ** 32, 2 ** 40, 2 ** 52, Number.MAX_SAFE_INTEGER)
  .map(number)
const noNumbers = fc.constantFrom(NaN, Infinity, -Infinity, -1, -8, 0, -0, 0.5, 1.5, 2 ** 53, 1e300, 5e-324).map(number)

/** Values of every other kind; many of them run code if somebody converts them. */
const strange: fc.Arbitrary<Recipe> = fc.oneof(
  fc.constantFrom<Recipe>(
    { is: 'undefined' },
    { is: 'null' },
    { is: 'true' },
    { is: 'symbol' },
    { is: 'function' },
    { is: 'array' },
    { is: 'object' },
    { is: 'boxed' },
    { is: 'revoked proxy' },
  ),
  fc.constantFrom(0n, 8n, -1n, 2n ** 64n, 2n ** 70n).map((value): Recipe => ({ is: 'bigint', value })),
  fc.constantFrom('', '8', 'zero', 'NaN', '__proto__').map((value): Recipe => ({ is: 'text', value })),
  register.map((index): Recipe => ({ is: 'handle', register: index })),
  fc.record({
    is: fc.constantFrom('coercible' as const, 'proxy' as const),
    value: fc.constantFrom(0, 1, 8, 64),
    effect,
  }),
)

/** A length: mostly a small one. */
export const size: fc.Arbitrary<Recipe> = fc.oneof(
  { weight: 12, arbitrary: numbers },
  { weight: 3, arbitrary: edges },
  { weight: 1, arbitrary: refused },
  { weight: 1, arbitrary: noNumbers },
  { weight: 2, arbitrary: strange },
)

/** The size of an element, or nothing. */
export const elementSize: fc.Arbitrary<Recipe> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Recipe>({ is: 'undefined' }) },
  { weight: 4, arbitrary: fc.constantFrom(1, 2, 4, 8).map(number) },
  { weight: 1, arbitrary: size },
)

/** An index, or nothing. */
export const index: fc.Arbitrary<Recipe> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Recipe>({ is: 'undefined' }) },
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 40 }).map(number) },
  { weight: 2, arbitrary: fc.integer({ min: -40, max: 400 }).map(number) },
  { weight: 1, arbitrary: noNumbers },
  { weight: 1, arbitrary: strange },
)

export const bytes: fc.Arbitrary<Recipe> = fc.record({
  is: fc.constant('bytes' as const),
  value: fc.array(fc.nat(255), { maxLength: 20 }),
  memory: fc.constantFrom('own', 'shared', 'resizable', 'buffer', 'detached'),
})

export const bytesOf: fc.Arbitrary<Recipe> = fc.record({
  is: fc.constant('bytes of' as const),
  register,
  from: fc.nat(20),
  to: fc.nat(40),
})

export const init: fc.Arbitrary<Recipe> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Recipe>({ is: 'undefined' }) },
  { weight: 4, arbitrary: fc.nat(255).map(number) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 256, 300, 1.5, NaN, -0).map(number) },
  { weight: 3, arbitrary: fc.string({ unit: 'binary' }).map((value): Recipe => ({ is: 'text', value })) },
  { weight: 2, arbitrary: fc.constant<Recipe>({ is: 'text', value: 'zero' }) },
  { weight: 3, arbitrary: bytes },
  { weight: 2, arbitrary: bytesOf },
  { weight: 1, arbitrary: strange },
)

/** What an alignment can be, mostly one. */
export const alignment: fc.Arbitrary<Recipe> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Recipe>({ is: 'undefined' }) },
  { weight: 6, arbitrary: fc.constantFrom(...ALIGNMENTS).map(number) },
  { weight: 1, arbitrary: fc.constantFrom(3, 24, 2 ** 31 + 1, 2 ** 33).map(number) },
  { weight: 1, arbitrary: noNumbers },
  { weight: 1, arbitrary: strange },
)

export const flag: fc.Arbitrary<Recipe> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Recipe>({ is: 'undefined' }) },
  { weight: 3, arbitrary: fc.constant<Recipe>({ is: 'true' }) },
  { weight: 1, arbitrary: strange },
)

/** Makes a value from its recipe. */
export function make(world: World, recipe: Recipe): unknown {
  switch (recipe.is) {
    case 'number':
    case 'bigint':
    case 'text':
      return recipe.value
    case 'bytes':
      return makeBytes(recipe.value, recipe.memory)
    case 'handle':
      return world.blocks[recipe.register]?.handle
    case 'bytes of':
      return viewOf(world, recipe.register)?.subarray(recipe.from, recipe.to)
    case 'undefined':
      return undefined
    case 'null':
      return null
    case 'true':
      return true
    case 'symbol':
      return Symbol('hostile')
    case 'function':
      return function hostile() {}
    case 'array':
      return [8]
    case 'object':
      return { __proto__: null }
    case 'boxed':
      return Object(8)
    case 'revoked proxy': {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      return proxy
    }
    case 'coercible':
      return coercible(world, recipe.value, recipe.effect)
    case 'proxy':
      return trap(world, new Uint8Array(recipe.value), recipe.effect)
  }
}

function makeBytes(values: number[], memory: 'own' | 'shared' | 'resizable' | 'buffer' | 'detached'): Uint8Array {
  switch (memory) {
    case 'own':
      return Uint8Array.from(values)
    case 'buffer':
      return Buffer.from(values)
    case 'shared': {
      const shared = new Uint8Array(new SharedArrayBuffer(values.length))
      shared.set(values)
      return shared
    }
    case 'resizable': {
      const options: object = { maxByteLength: 64 }
      const resizable = new Uint8Array(new (ArrayBuffer as new (n: number, o: object) => ArrayBuffer)(64, options))
      ;(resizable.buffer as unknown as { resize(n: number): void }).resize(values.length)
      resizable.set(values)
      return resizable
    }
    case 'detached': {
      const detached = Uint8Array.from(values)
      structuredClone(detached.buffer, { transfer: [detached.buffer] })
      return detached
    }
  }
}

/** The bytes of a register's block, if a view can be made. */
function viewOf(world: World, of: number): Uint8Array | undefined {
  try {
    return world.blocks[of]?.handle.bytes
  } catch {
    return undefined
  }
}

/** An object that does something to a handle when somebody converts it to a number or to a text. */
export function coercible(world: World, value: number, what: Effect): object {
  const convert = (): number => {
    cause(world, what)
    return value
  }
  return { valueOf: convert, toString: convert, [Symbol.toPrimitive]: convert }
}

/** A Proxy each of whose traps does something to a handle. */
export function trap<T extends object>(world: World, target: T, what: Effect): T {
  const act =
    <A extends unknown[], R>(trapped: (...args: A) => R) =>
    (...args: A): R => {
      cause(world, what)
      return trapped(...args)
    }
  return new Proxy<T>(target, {
    get: act((object, key) => Reflect.get(object, key) as unknown),
    has: act(Reflect.has),
    getPrototypeOf: act((object) => Reflect.getPrototypeOf(object)),
    getOwnPropertyDescriptor: act(Reflect.getOwnPropertyDescriptor),
    ownKeys: act(Reflect.ownKeys),
  })
}

/** Does it. What it did to a handle is not predicted: the handle is believed, as far as it can be true. */
export function cause(world: World, { does, register: of }: Effect): void {
  world.effects++
  if (does === 'throw') throw new Thrown('thrown by an argument')
  // What is young; a full collection each time would take most of the run.
  if (does === 'gc') collect('young')
  if (does === 'gc' || does === 'nothing') return
  const block = world.blocks[of]
  if (block === undefined || !block.alive) return
  try {
    if (does === 'free') block.handle.free()
    if (does === 'resize') block.handle.resize(block.byteLength + 100_000)
    if (does === 'view') void block.handle.bytes
    if (does === 'detach') {
      const { buffer } = block.handle
      if (transfer === undefined) world.held.push(streamOf(buffer))
      else world.strays.push(transfer.call(buffer))
      block.moved = buffer.byteLength === 0
    }
  } catch {
    // Out of memory or escaped; here it is not the call under test.
  }
  resync(block)
}
