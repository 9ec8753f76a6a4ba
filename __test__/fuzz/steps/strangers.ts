/** Receivers that are none, the constructor, the statistics, and the native class below. */

import {
  consume,
  free,
  getBufferAddress,
  malloc,
  NativeBuffer,
  perThread,
  setCacheLimit,
  setMemoryLimit,
  stats,
  trim,
} from 'cmalloc'
import * as native from 'cmalloc/native'
import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import { attempt, BAD_ARGUMENT, mustFail, PLAIN } from '../outcome.js'
import { isLength } from '../rules.js'
import { kind } from '../kind.js'
import { effect, index, init, make, register, size, trap, type Effect } from '../values.js'
import { MEMORY_LIMIT, resync, type World } from '../world.js'

const RECEIVERS = [
  'undefined',
  'null',
  'number',
  'object',
  'prototype',
  'inherits',
  'proxy',
  'slot',
  'another class',
] as const

function receiver(world: World, is: (typeof RECEIVERS)[number], of: number, what: Effect): unknown {
  const handle = world.blocks[of]?.handle ?? {}
  switch (is) {
    case 'undefined':
      return undefined
    case 'null':
      return null
    case 'number':
      return 8
    case 'object':
      return {}
    case 'prototype':
      return NativeBuffer.prototype
    case 'inherits':
      return Object.create(handle)
    case 'proxy':
      return trap(world, handle, what)
    case 'slot':
      return new native.Slot()
    case 'another class':
      return new Uint8Array(8)
  }
}

const MEMBERS = Reflect.ownKeys(NativeBuffer.prototype).filter((key) => key !== 'constructor')

function callMember(member: PropertyKey, on: unknown, argument: unknown): unknown {
  const { get, value } = Object.getOwnPropertyDescriptor(NativeBuffer.prototype, member) as PropertyDescriptor
  return Reflect.apply((get ?? value) as () => unknown, on, [argument])
}

const foreign = kind(
  'foreign receiver',
  5,
  fc.record({
    member: fc.constantFrom(...MEMBERS.map(String)),
    on: fc.constantFrom(...RECEIVERS),
    register,
    effect,
    argument: init,
  }),
  (world, { member, on, register: of, effect: what, argument }) => {
    const key = MEMBERS.find((candidate) => String(candidate) === member)!
    const made = receiver(world, on, of, what)
    const value = make(world, argument)
    // Arguments may be looked at first; and a Proxy asks the handle behind it.
    const codes = [PLAIN, ...BAD_ARGUMENT, 'ERR_CMALLOC_FREED', 'ERR_CMALLOC_ESCAPED']
    const outcome = attempt(() => callMember(key, made, value), codes)
    ensure(!outcome.ok || /inspect|reveal/.test(member), `${member} took a foreign receiver`)
    for (const call of [free, getBufferAddress])
      mustFail(
        attempt(() => call(made as never), BAD_ARGUMENT),
        'ERR_INVALID_ARG_TYPE',
      )
    // A number could be the address of a block, which must be real.
    if (on !== 'number')
      mustFail(
        attempt(() => consume({ address: made } as never, 8), BAD_ARGUMENT),
        ...BAD_ARGUMENT,
      )
    for (const block of world.blocks) if (block !== undefined) resync(block)
  },
)

const construct = kind('construct', 2, fc.record({ argument: init, way: fc.nat(3) }), (world, { argument, way }) => {
  const made = make(world, argument)
  const Class = NativeBuffer as unknown as new (...values: unknown[]) => NativeBuffer
  const ways = [
    () => new Class(made, made, made),
    () => new (class extends Class {})(Symbol('cmalloc'), { slot: {}, key: 0 }, made),
    () => Reflect.construct(Class, [made], Uint8Array) as unknown,
    () => Reflect.apply(Class, undefined, [made]) as unknown,
  ]
  ensure(!attempt(ways[way]!, ['ERR_ILLEGAL_CONSTRUCTOR', PLAIN]).ok, 'made by its constructor')
})

const limit = kind('setMemoryLimit', 2, fc.record({ bytes: size, asked: size }), (world, made) => {
  const [bytes, asked] = [make(world, made.bytes), make(world, made.asked)]
  try {
    const outcome = attempt(() => setMemoryLimit(bytes as number), BAD_ARGUMENT)
    ensure(outcome.ok === (bytes === null || isLength(bytes)), 'a limit was not checked')
    if (outcome.ok) ensure(stats().memoryLimit === bytes, 'the limit is another')
    // Never without a limit, and never more than the machine can bear.
    if (!isLength(bytes) || bytes > MEMORY_LIMIT) return
    const allocated = attempt(() => malloc(asked as number), [...BAD_ARGUMENT, 'ERR_CMALLOC_OUT_OF_MEMORY'])
    if (!allocated.ok) return
    // What was dropped may have been collected to make room.
    ensure(stats().liveBytes <= bytes, 'the limit does not hold')
    allocated.value.free()
  } finally {
    setMemoryLimit(MEMORY_LIMIT)
  }
})

const cacheLimit = kind('setCacheLimit', 2, fc.record({ bytes: size, trims: fc.boolean() }), (world, made) => {
  const bytes = make(world, made.bytes)
  const before = world.effects
  const outcome = attempt(() => setCacheLimit(bytes as number), BAD_ARGUMENT)
  ensure(world.effects === before, 'a limit was converted')
  ensure(outcome.ok === (isLength(bytes) || bytes === 0), 'a limit was not checked')
  if (outcome.ok) world.cacheLimit = bytes as number
  if (!made.trims) return
  const { cachedBytes } = stats()
  ensure(trim() === cachedBytes && stats().cachedBytes === 0 && stats().cachedBlocks === 0, 'something is kept')
})

const count = kind('stats', 1, fc.record({}), (world) => {
  const alive = new Set(world.blocks.filter((block) => block?.alive))
  const bytes = [...alive].reduce((sum, block) => sum + block!.byteLength, 0)
  for (const counted of [perThread(), stats()]) {
    ensure(counted.liveBlocks >= alive.size && counted.liveBytes >= bytes, 'there are blocks that nobody counts')
  }
  ensure(stats().peakLiveBytes >= stats().liveBytes, 'the peak is less than what there is')
})

/** The native class is safe without the layer above it: its own errors come, or those of napi-rs. */
const SLOT_CODES = [
  'ERR_INVALID_STATE',
  'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM',
  'ERR_CMALLOC_FREED',
  'ERR_CMALLOC_OUT_OF_MEMORY',
  'ERR_CMALLOC_ESCAPED',
  ...BAD_ARGUMENT,
  PLAIN,
]
const BINDING_CODES = ['InvalidArg', 'NumberExpected', 'BigintExpected', 'GenericFailure', 'ObjectExpected']

const SLOT_CALLS = [
  'allocate',
  'free',
  'resize',
  'transfer',
  'fill',
  'fillByte',
  'write',
  'read',
  'copyFrom',
  'buffer',
  'share',
  'residentBytes',
  'consume',
  'release',
  'key',
] as const

const slot = kind(
  'slot',
  5,
  fc.record({
    calls: fc.array(fc.record({ call: fc.constantFrom(...SLOT_CALLS), a: fc.oneof(size, init), b: index, c: index }), {
      minLength: 1,
      maxLength: 6,
    }),
    stranger: fc.boolean(),
  }),
  (world, { calls, stranger }) => {
    const [one, other] = [new native.Slot(), new native.Slot()]
    attempt(() => other.allocate(16, 1), SLOT_CODES)
    for (const { call, a, b, c } of calls) {
      const [first, second, third] = [make(world, a), make(world, b), make(world, c)]
      const on = stranger ? Object.create(native.Slot.prototype) : one
      const before = world.effects
      attempt(() => {
        if (call === 'key') return Reflect.get(native.Slot.prototype, 'key', on) as unknown
        if (call === 'release') {
          // Ours again at once.
          if (!stranger && !one.freed) other.free()
          return stranger
            ? Reflect.apply(native.Slot.prototype.release, on, [])
            : other.freed || other.consume(one.release(), 16)
        }
        if (call === 'consume') return Reflect.apply(one.consume, on, [2n ** 64n, second])
        if (call === 'copyFrom')
          return Reflect.apply(one.copyFrom, on, [typeof first === 'number' ? other : first, second, third])
        return Reflect.apply(native.Slot.prototype[call], on, [first, second, third])
      }, [...SLOT_CODES, ...BINDING_CODES])
      if (world.effects > before) for (const block of world.blocks) if (block !== undefined) resync(block)
      if (other.freed) attempt(() => other.allocate(16, 1), SLOT_CODES)
    }
    if (!one.freed && calls.length % 2 === 0) one.free()
    const others = native.takeRawCalls()
    others.registers[0] = one.key
    mustFail(attempt(others.free, ['ERR_CMALLOC_FREED']), 'ERR_CMALLOC_FREED')
  },
)

export const STRANGER_KINDS = [foreign, construct, limit, cacheLimit, count, slot]
