/** Blocks come and go: malloc, from, fill, slice, resize, free. */

import { free, getBufferAddress, malloc, NativeBuffer, type MallocOptions } from 'cmalloc'
import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import { UNAVAILABLE } from '../../random/reach.js'
import { HAS_SECURE } from '../../support/system.js'
import { attempt, BAD_ARGUMENT, mustFail, type Outcome } from '../outcome.js'
import { areOptions, byteAt, copyOf, isLength, patternOf, relative, within } from '../rules.js'
import { kind, kindOf } from '../kind.js'
import {
  alignment,
  bytes,
  bytesOf,
  effect,
  elementSize,
  flag,
  index,
  init,
  make,
  register,
  size,
  trap,
} from '../values.js'
import { mayBeRefused, resync, type Block, type World } from '../world.js'

const OUT_OF_MEMORY = 'ERR_CMALLOC_OUT_OF_MEMORY'
const FREED = 'ERR_CMALLOC_FREED'

/** Success, unless there may rightly be no memory for so many bytes. */
function mustSucceed(outcome: Outcome<unknown>, byteLength: number): void {
  if (outcome.ok) return
  ensure(outcome.code === OUT_OF_MEMORY && mayBeRefused(byteLength), `${outcome.code} for ${byteLength} bytes`)
}

/** Calls; where code of an argument ran meanwhile, only the error codes are looked at, and the handle is believed. */
function tried<T>(world: World, block: Block, call: () => T, codes: readonly string[]): Outcome<T> | undefined {
  const before = world.effects
  const outcome = attempt(call, codes)
  if (world.effects === before) return outcome
  resync(block)
  return undefined
}

const allocate = kind(
  'malloc',
  12,
  fc.record({ count: size, size: elementSize, init, to: register }),
  (world, made) => {
    const [count, each, initial] = [make(world, made.count), make(world, made.size), make(world, made.init)]
    const pattern = patternOf(initial)
    const outcome = attempt(
      () => malloc(count as number, each as number, initial as string),
      [...BAD_ARGUMENT, OUT_OF_MEMORY],
    )
    const length = isLength(count) && (each === undefined || isLength(each)) ? count * (each ?? 1) : NaN
    if (!isLength(length) || pattern === null) return mustFail(outcome, ...BAD_ARGUMENT)
    mustSucceed(outcome, length)
    if (outcome.ok) world.adopt(made.to, outcome.value, length, byteAt(pattern, 0), byteAt(pattern, length - 1))
  },
)

/** Options whose getters do something to a handle while the call is under way. */
const allocateSpecial = kind(
  'malloc with options',
  6,
  fc.record({
    count: size,
    init,
    align: alignment,
    lazy: flag,
    secure: flag,
    asked: fc.option(effect, { nil: undefined, freq: 3 }),
    to: register,
  }),
  (world, made) => {
    const [count, initial] = [make(world, made.count), make(world, made.init)]
    const given = { align: make(world, made.align), lazy: make(world, made.lazy), secure: make(world, made.secure) }
    const options = made.asked === undefined ? given : trap(world, given, made.asked)
    const pattern = patternOf(initial)
    const before = world.effects
    const outcome = attempt(
      () => malloc(count as number, 1, initial as string, options as MallocOptions),
      [...BAD_ARGUMENT, OUT_OF_MEMORY, 'ERR_CMALLOC_LOCK_LIMIT', ...UNAVAILABLE],
    )
    if (outcome.ok && isLength(count)) {
      const block = world.adopt(made.to, outcome.value, count)
      Object.assign(block, { secure: given.secure === true, lazy: given.lazy === true })
    }
    if (world.effects !== before) return
    if (!isLength(count) || pattern === null || !areOptions(given, pattern)) return mustFail(outcome, ...BAD_ARGUMENT)
    if (given.secure === true && !HAS_SECURE) return mustFail(outcome, ...UNAVAILABLE, OUT_OF_MEMORY)
    if (given.secure === true && !outcome.ok && outcome.code === 'ERR_CMALLOC_LOCK_LIMIT') return
    mustSucceed(outcome, count)
    const block = world.blocks[made.to]
    if (outcome.ok && block) {
      ensure(outcome.value.address % BigInt((given.align as number | undefined) ?? 1) === 0n, 'it is not aligned')
      block.first = byteAt(pattern, 0)
      block.last = byteAt(pattern, count - 1)
    }
  },
)

/** The same bytes as another kind of source. */
function sourceOf(view: Uint8Array, as: string): ArrayBufferView | ArrayBufferLike {
  if (as === 'view' || copyOf(view).length === 0) return view
  return as === 'buffer' ? view.buffer : new DataView(view.buffer, view.byteOffset, view.byteLength)
}

const copy = kind(
  'from',
  3,
  fc.record({ data: fc.oneof(bytes, bytesOf, init), as: fc.constantFrom('view', 'buffer', 'DataView'), to: register }),
  (world, made) => {
    const value = make(world, made.data)
    const view = ArrayBuffer.isView(value) && value instanceof Uint8Array ? value : undefined
    const data = view === undefined ? value : sourceOf(view, made.as)
    const expected = view && copyOf(data === view.buffer ? new Uint8Array(view.buffer) : view)
    const outcome = attempt(() => NativeBuffer.from(data as Uint8Array), [...BAD_ARGUMENT, OUT_OF_MEMORY])
    if (expected === undefined || expected.length === 0) return mustFail(outcome, ...BAD_ARGUMENT)
    mustSucceed(outcome, expected.length)
    if (outcome.ok) world.adopt(made.to, outcome.value, expected.length, expected[0], expected.at(-1))
  },
)

const fill = kindOf('fill', 6, fc.record({ of: register, init, start: index, end: index }), (world, block, made) => {
  const [initial, start, end] = [make(world, made.init), make(world, made.start), make(world, made.end)]
  const pattern = patternOf(initial)
  const outcome = tried(world, block, () => block.handle.fill(initial as string, start as number, end as number), [
    ...BAD_ARGUMENT,
    FREED,
  ])
  if (outcome === undefined) return
  const length = block.byteLength
  const [from, to] = [within(start, 0, length), within(end, length, length)]
  if (!block.alive) return mustFail(outcome, ...BAD_ARGUMENT, FREED)
  if (!pattern || from === undefined || to === undefined || from > to) return mustFail(outcome, ...BAD_ARGUMENT)
  ensure(outcome.ok && outcome.value === block.handle, 'fill did not return its buffer')
  if (block.moved) world.strayWritten()
  if (from === 0 && to > 0) block.first = pattern[0]
  if (to === length && from < to) block.last = byteAt(pattern, to - 1 - from)
})

const slice = kindOf(
  'slice',
  5,
  fc.record({ of: register, start: index, end: index, to: register }),
  (world, block, made) => {
    const [start, end] = [make(world, made.start), make(world, made.end)]
    const outcome = tried(world, block, () => block.handle.slice(start as number, end as number), [
      ...BAD_ARGUMENT,
      FREED,
      OUT_OF_MEMORY,
    ])
    if (outcome === undefined) return
    const length = block.byteLength
    const [from, to] = [relative(start, 0, length), relative(end, length, length)]
    if (!block.alive) return mustFail(outcome, ...BAD_ARGUMENT, FREED)
    if (from === undefined || to === undefined || from >= to) return mustFail(outcome, ...BAD_ARGUMENT)
    mustSucceed(outcome, to - from)
    if (!outcome.ok) return
    const [first, last] = [from === 0 ? block.first : undefined, to === length ? block.last : undefined]
    world.adopt(made.to, outcome.value, to - from, first, last)
  },
)

const resize = kindOf('resize', 6, fc.record({ of: register, byteLength: size, init }), (world, block, made) => {
  const [byteLength, initial] = [make(world, made.byteLength), make(world, made.init)]
  const pattern = patternOf(initial)
  const outcome = tried(world, block, () => block.handle.resize(byteLength as number, initial as string), [
    ...BAD_ARGUMENT,
    FREED,
    OUT_OF_MEMORY,
  ])
  if (outcome === undefined) return
  const old = block.byteLength
  if (!block.alive) return mustFail(outcome, ...BAD_ARGUMENT, FREED)
  if (!isLength(byteLength) || pattern === null) return mustFail(outcome, ...BAD_ARGUMENT)
  // The new bytes; and if the block has escaped, it is copied whole.
  mustSucceed(outcome, block.moved || block.shared !== undefined ? byteLength + old : byteLength - old)
  if (!outcome.ok) return
  world.unshare(block)
  ensure(outcome.value === block.handle, 'resize did not return its buffer')
  world.mustBeEmpty(block)
  block.moved = false
  block.byteLength = byteLength
  if (byteLength > old) block.last = byteAt(pattern, byteLength - old - 1)
  else if (byteLength < old) block.last = byteLength === 1 ? block.first : undefined
})

const WAYS = {
  method: (buffer: NativeBuffer) => buffer.free(),
  function: (buffer: NativeBuffer) => free(buffer),
  dispose: (buffer: NativeBuffer) => buffer[Symbol.dispose](),
}

const end = kindOf(
  'free',
  9,
  fc.record({ of: register, by: fc.constantFrom('method' as const, 'function' as const, 'dispose' as const) }),
  (world, block, { by }) => {
    const outcome = attempt(() => WAYS[by](block.handle), [FREED])
    if (!block.alive && by !== 'dispose') return mustFail(outcome, FREED)
    ensure(outcome.ok, `${by} failed`)
    if (block.alive) world.end(block)
  },
)

const address = kindOf('address', 2, fc.record({ of: register }), (_world, block) => {
  const outcomes = [() => getBufferAddress(block.handle), () => block.handle.address].map((get) =>
    attempt(get, [FREED]),
  ) as [Outcome<bigint>, Outcome<bigint>]
  const [one, other] = outcomes
  if (!block.alive) return outcomes.forEach((outcome) => mustFail(outcome, FREED))
  ensure(one.ok && other.ok && one.value === other.value, 'the address is ambiguous')
})

const resident = kindOf('residentBytes', 1, fc.record({ of: register }), (_world, block) => {
  const outcome = attempt(() => block.handle.residentBytes(), [FREED])
  if (!block.alive) return mustFail(outcome, FREED)
  ensure(outcome.ok && (block.lazy || outcome.value === block.byteLength), 'not resident')
})

/** The handle is dropped, for the garbage collector to free; or one handle is in two registers. */
const forget = kind('drop', 3, fc.record({ of: register }), (world, { of }) => {
  world.blocks[of] = undefined
})

const alias = kindOf('alias', 2, fc.record({ of: register, to: register }), (world, block, { to }) => {
  world.blocks[to] = block
})

export const BLOCK_KINDS = [allocate, allocateSpecial, copy, fill, slice, resize, end, address, resident, forget, alias]
