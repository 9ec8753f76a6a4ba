/** Blocks change owners: release, consume, C's free. */

import { consume, type AddressRef } from 'cmalloc'
import * as fc from 'fast-check'
import * as libc from '../../support/libc.js'
import { ensure } from '../../random/ensure.js'
import { attempt, BAD_ARGUMENT, mustFail } from '../outcome.js'
import { isLength } from '../rules.js'
import { kind, kindOf } from '../kind.js'
import { cause, coercible, effect, make, register, size, trap, type Effect } from '../values.js'
import { mayBeRefused, resync, type World } from '../world.js'

const OUT_OF_MEMORY = 'ERR_CMALLOC_OUT_OF_MEMORY'
const FREED = 'ERR_CMALLOC_FREED'
const ESCAPED = 'ERR_CMALLOC_ESCAPED'
const SECURE = 'ERR_CMALLOC_SECURE'
const OWNED = 'ERR_CMALLOC_ALREADY_OWNED'

/** Room for the blocks of C that a sequence may have. */
const MOST_RELEASED = 4

const release = kindOf('release', 4, fc.record({ of: register }), (world, block) => {
  const address = block.alive ? block.handle.address : 0n
  const outcome = attempt(() => block.handle.release(), [FREED, ESCAPED, SECURE])
  if (!block.alive) return mustFail(outcome, FREED)
  if (block.secure) return mustFail(outcome, SECURE)
  if (!outcome.ok) return ensure(block.moved || block.shared !== undefined, 'a block has escaped that nobody moved')
  ensure(block.shared === undefined, 'a shared block was released')
  ensure(outcome.value === address, 'release returned another address')
  world.released.push({ address, byteLength: block.byteLength, first: block.first })
  world.end(block)
})

const foreign = kind('a block of C', 2, fc.record({ byteLength: fc.integer({ min: 1, max: 5000 }) }), (world, made) => {
  if (world.released.length >= MOST_RELEASED) return
  const address = libc.malloc(made.byteLength)
  world.released.push({ address, byteLength: made.byteLength, first: undefined })
})

const freeInC = kind('free in C', 2, fc.record({ which: fc.nat() }), (world, { which }) => {
  const [released] = world.released.splice(which % Math.max(world.released.length, 1), 1)
  if (released !== undefined) libc.free(released.address)
})

const consumeHandle = kindOf(
  'consume a handle',
  4,
  fc.record({ of: register, byteLength: size, to: register }),
  (world, block, made) => {
    const byteLength = make(world, made.byteLength)
    const before = world.effects
    const codes = [...BAD_ARGUMENT, FREED, ESCAPED, OUT_OF_MEMORY]
    const outcome = attempt(() => consume(block.handle, byteLength as number), codes)
    ensure(world.effects === before, 'a length was converted')
    if (!isLength(byteLength)) return mustFail(outcome, ...BAD_ARGUMENT)
    if (!block.alive) return mustFail(outcome, FREED)
    if (!outcome.ok) {
      const refused = outcome.code === OUT_OF_MEMORY && mayBeRefused(byteLength - block.byteLength)
      const hasEscaped = block.moved || block.shared !== undefined
      return ensure(refused || (outcome.code === ESCAPED && hasEscaped), `${outcome.code} for ${byteLength} bytes`)
    }
    ensure(block.shared === undefined, 'a shared block was consumed')
    const { first, last, secure, lazy, byteLength: old } = block
    world.end(block)
    const moved = world.adopt(made.to, outcome.value, byteLength, first, byteLength === old ? last : undefined)
    Object.assign(moved, { secure, lazy })
  },
)

/** What a source of a pointer can be that must be taken. */
const WILLING = ['plain', 'number', 'accessor'] as const
/** And what must be refused, because its address cannot be set to zero. */
const UNWILLING = ['frozen', 'getter only', 'ignoring', 'throwing', 'proxy that refuses', 'proxy that lies'] as const

interface Source {
  ref: AddressRef
  /** The address that it has now. */
  now: () => bigint | number
}

function sourceOf(
  world: World,
  is: (typeof WILLING)[number] | (typeof UNWILLING)[number],
  address: bigint,
  what: Effect,
): Source {
  let value: bigint | number = is === 'number' ? Number(address) : address
  const now = (): bigint | number => value
  switch (is) {
    case 'plain':
    case 'number': {
      const ref = { address: value }
      return { ref, now: () => ref.address }
    }
    case 'accessor': {
      const ref = {
        get address() {
          cause(world, what)
          return value
        },
        set address(next) {
          cause(world, what)
          value = next
        },
      }
      return { ref, now }
    }
    case 'frozen':
      return { ref: Object.freeze({ address: value }), now }
    case 'getter only':
      return {
        ref: {
          get address() {
            return value
          },
        },
        now,
      }
    case 'ignoring':
      return { ref: Object.defineProperty({} as AddressRef, 'address', { get: now, set: () => {} }), now }
    case 'throwing': {
      const set = (): never => {
        throw new Error('no')
      }
      return { ref: Object.defineProperty({} as AddressRef, 'address', { get: now, set }), now }
    }
    case 'proxy that refuses':
      return { ref: new Proxy({ address: value }, { set: () => false }), now }
    case 'proxy that lies':
      return { ref: new Proxy({ address: value }, { set: () => true }), now }
  }
}

const consumePointer = kind(
  'consume a pointer',
  5,
  fc.record({
    which: fc.nat(),
    from: fc.constantFrom(...WILLING, ...UNWILLING),
    byteLength: size,
    effect,
    to: register,
  }),
  (world, made) => {
    const position = made.which % Math.max(world.released.length, 1)
    const released = world.released[position]
    if (released === undefined) return
    const { address } = released
    const byteLength = make(world, made.byteLength)
    const { ref, now } = sourceOf(world, made.from, address, made.effect)
    const outcome = attempt(() => consume(ref, byteLength as number), [...BAD_ARGUMENT, OUT_OF_MEMORY])
    if (!outcome.ok) {
      ensure(BigInt(now()) === address || made.effect.does === 'throw', 'a refused call changed the source')
      const valid = isLength(byteLength)
      if (!valid || UNWILLING.some((is) => is === made.from)) return
      if (made.from === 'accessor' && made.effect.does === 'throw') return
      return ensure(outcome.code === OUT_OF_MEMORY && mayBeRefused(byteLength - released.byteLength), outcome.code)
    }
    world.released.splice(position, 1)
    ensure(isLength(byteLength) && WILLING.some((is) => is === made.from), 'consumed what it must refuse')
    ensure(now() === (made.from === 'number' ? 0 : 0n), 'the address was not set to zero')
    world.adopt(made.to, outcome.value, byteLength, released.first)
  },
)

/** The setter that is asked for a zero consumes the same address: it is taken once, by the call outside. */
const consumeInside = kind('consume inside', 2, fc.record({ which: fc.nat(), to: register }), (world, made) => {
  const position = made.which % Math.max(world.released.length, 1)
  const released = world.released[position]
  if (released === undefined) return
  const { address, byteLength, first } = released
  const plain = { address }
  let value = address
  const ref: AddressRef = Object.defineProperty({} as AddressRef, 'address', {
    get: () => value,
    set: (next: bigint) => {
      value = next
      if (next === 0n)
        mustFail(
          attempt(() => consume(plain, byteLength), [OWNED]),
          OWNED,
        )
    },
  })
  const outcome = attempt(() => consume(ref, byteLength), [OUT_OF_MEMORY])
  ensure(plain.address === address, 'a refused call changed the source')
  if (!outcome.ok) {
    ensure(value === address && mayBeRefused(byteLength), 'refused for the call inside')
    return
  }
  ensure(value === 0n, 'the address was not set to zero')
  world.released.splice(position, 1)
  world.adopt(made.to, outcome.value, byteLength, first)
})

/** Addresses that nobody may consume. Never one that could be a block of C: that would be the caller's fault. */
type BadAddress =
  | { is: 'impossible'; value: bigint | number }
  | { is: 'no address'; value: unknown }
  | { is: 'owned' | 'misaligned'; register: number; inside: number; number: boolean }
  | { is: 'coercible'; effect: Effect }

const badAddress: fc.Arbitrary<BadAddress> = fc.oneof(
  fc
    .constantFrom(0n, -1n, -(2n ** 63n), 2n ** 64n, 2n ** 64n + 16n, 2n ** 65n, 0, -0, -1, -8, 0.5, NaN, Infinity)
    .map((value): BadAddress => ({ is: 'impossible', value })),
  fc
    .constantFrom(1n, 7n, 0xffff_ffff_ffff_fffdn, 2 ** 53, 2 ** 60, 1e300, 3, 4097)
    .map((value): BadAddress => ({ is: 'impossible', value })),
  fc
    .constantFrom(undefined, null, true, '4096', '0x10', {}, [])
    .map((value): BadAddress => ({ is: 'no address', value })),
  fc.record({
    is: fc.constantFrom('owned' as const, 'misaligned' as const),
    register,
    inside: fc.nat(400),
    number: fc.boolean(),
  }),
  effect.map((made): BadAddress => ({ is: 'coercible', effect: made })),
)

function makeAddress(world: World, bad: BadAddress): unknown {
  switch (bad.is) {
    case 'impossible':
    case 'no address':
      return bad.value
    case 'coercible':
      return coercible(world, 4096, bad.effect)
    case 'owned':
    case 'misaligned': {
      const block = world.blocks[bad.register]
      if (block === undefined || !block.alive) return 3n
      const offset = bad.is === 'owned' ? bad.inside % block.byteLength : (bad.inside & ~7) + 1 + (bad.inside % 7)
      const address = block.handle.address + BigInt(offset)
      return bad.number ? Number(address) : address
    }
  }
}

const consumeNothing = kind(
  'consume what is no pointer',
  6,
  fc.record({
    bad: badAddress,
    as: fc.constantFrom('plain', 'getter', 'proxy', 'function', 'the address itself'),
    byteLength: size,
    effect,
  }),
  (world, { bad, as, byteLength, effect: what }) => {
    const length = make(world, byteLength)
    const source = (): unknown => {
      // An effect could end the block whose address is used: it is caused first.
      if (as === 'proxy') return trap(world, { address: 3n }, what)
      const address = makeAddress(world, bad)
      if (as === 'getter') return { get address() { return address } } // prettier-ignore
      if (as === 'function') return Object.assign(() => {}, { address })
      return as === 'plain' ? { address } : address
    }
    const made = source()
    const outcome = attempt(() => consume(made as AddressRef, length as number), [...BAD_ARGUMENT, OWNED])
    ensure(!outcome.ok, 'consumed what is no pointer')
    for (const block of world.blocks) if (block !== undefined && world.effects > 0) resync(block)
  },
)

export const OWNER_KINDS = [release, foreign, freeInC, consumeHandle, consumePointer, consumeInside, consumeNothing]
