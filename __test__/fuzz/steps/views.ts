/** Views of blocks, and ArrayBuffers that are moved away under them. */

import { inspect } from 'node:util'
import { NativeBuffer } from 'cmalloc'
import * as fc from 'fast-check'
import { collect } from '../../random/collect.js'
import { MOVES } from '../../random/moves.js'
import { ensure } from '../../random/ensure.js'
import { attempt, BAD_ARGUMENT, mustFail, PLAIN } from '../outcome.js'
import { within } from '../rules.js'
import { kind, kindOf } from '../kind.js'
import { cause, coercible, effect, index, make, register, trap } from '../values.js'
import { resync, type Block, type World } from '../world.js'

const FREED = 'ERR_CMALLOC_FREED'
const ESCAPED = 'ERR_CMALLOC_ESCAPED'

/** Looks at the block through its ArrayBuffer; `undefined` where there can rightly be none. */
function bytesOf(block: Block): Uint8Array<ArrayBuffer> | undefined {
  const outcome = attempt(() => block.handle.bytes, [FREED, ESCAPED])
  if (outcome.ok) {
    ensure(block.alive, 'a view over freed memory')
    ensure(outcome.value.byteLength === block.byteLength, 'the bytes are not the block')
    ensure(outcome.value.buffer === block.handle.buffer, 'there are two ArrayBuffers')
    // Made anew: the bytes came back.
    block.moved = false
    block.views.push(outcome.value)
    return outcome.value
  }
  if (outcome.code === FREED) ensure(!block.alive, 'no bytes')
  else ensure(block.moved, 'a block has escaped that nobody moved')
  return undefined
}

const read = kindOf('bytes', 6, fc.record({ of: register }), (_world, block) => {
  const bytes = bytesOf(block)
  if (bytes === undefined) return
  ensure(block.first === undefined || bytes[0] === block.first, 'the first byte is another')
  ensure(block.last === undefined || bytes[bytes.length - 1] === block.last, 'the last byte is another')
})

const write = kindOf('write', 4, fc.record({ of: register, value: fc.nat(255) }), (_world, block, { value }) => {
  const bytes = bytesOf(block)
  if (bytes === undefined) return
  bytes[0] = bytes[bytes.length - 1] = block.first = block.last = value
})

const TYPES = {
  Uint8Array,
  Int16Array,
  Float32Array,
  BigUint64Array,
  DataView,
  Buffer,
  Array,
  Map,
  Proxy,
  ArrayBuffer,
  Symbol,
  undefined,
}

const view = kindOf(
  'view',
  5,
  fc.record({
    of: register,
    type: fc.constantFrom(...(Object.keys(TYPES) as (keyof typeof TYPES)[]), 'effect' as const),
    byteOffset: index,
    length: index,
    effect,
  }),
  (world, block, made) => {
    const [byteOffset, length] = [make(world, made.byteOffset), make(world, made.length)]
    const type = made.type === 'effect' ? hostileType(world, made.effect) : TYPES[made.type]
    const before = world.effects
    // What a constructor of somebody else's throws is its own affair.
    const usual = made.type !== 'effect' && isView(type)
    const codes = [...BAD_ARGUMENT, FREED, ESCAPED, ...(usual ? [] : [PLAIN, 'RangeError'])]
    const outcome = attempt(() => block.handle.view(type as never, byteOffset as number, length as number), codes)
    if (world.effects !== before) return resync(block)
    if (!block.alive) return mustFail(outcome, ...BAD_ARGUMENT, FREED, ...codes)
    if (!isView(type)) return
    const each = 'BYTES_PER_ELEMENT' in type ? (type.BYTES_PER_ELEMENT as number) : 1
    const offset = within(byteOffset, 0, block.byteLength)
    const room = offset === undefined ? 0 : (block.byteLength - offset) / each
    const elements = within(length, room, Math.floor(room))
    const fits = offset !== undefined && offset % each === 0 && elements !== undefined && Number.isInteger(elements)
    if (!outcome.ok && outcome.code === ESCAPED) return ensure(block.moved, 'a block has escaped that nobody moved')
    if (!fits) return mustFail(outcome, ...BAD_ARGUMENT)
    ensure(outcome.ok, 'a view that fits was refused')
    const seen = outcome.value as ArrayBufferView
    ensure(seen.byteLength === elements * each && seen.byteOffset === offset, 'the view is another')
    block.moved = false
    block.views.push(seen)
  },
)

function isView(type: unknown): type is typeof Uint8Array | typeof DataView {
  return typeof type === 'function' && 'prototype' in type && 'buffer' in (type.prototype as object)
}

/** A constructor of views whose code does something to a handle, before and after it is called. */
function hostileType(world: World, what: Parameters<typeof cause>[1]): unknown {
  return class extends Uint8Array {
    static override get BYTES_PER_ELEMENT(): 1 {
      cause(world, what)
      return 1
    }
    constructor(buffer: ArrayBuffer, byteOffset?: number, length?: number) {
      cause(world, what)
      // The effect may have detached the buffer, of which there can be no view.
      super(buffer.byteLength === 0 ? new ArrayBuffer(0) : buffer, byteOffset, length)
    }
  }
}

const move = kindOf(
  'move',
  5,
  fc.record({ of: register, by: fc.constantFrom(...(Object.keys(MOVES) as (keyof typeof MOVES)[])) }),
  async (world, block, { by }) => {
    const bytes = bytesOf(block)
    if (bytes === undefined) return
    const { buffer } = bytes
    let moved: ArrayBuffer | undefined
    try {
      moved = await MOVES[by](buffer)
    } catch (error) {
      ensure((error as Error).name === 'DataCloneError', `${by} failed: ${String(error)}`)
    }
    if (by === 'read into') block.first = block.last = undefined
    if (buffer.byteLength === 0) block.moved = true
    if (moved !== undefined) world.strays.push(moved)
  },
)

const stray = kind(
  'a moved ArrayBuffer',
  4,
  fc.record({ which: fc.nat(), does: fc.constantFrom('read', 'write', 'move', 'copy', 'drop'), value: fc.nat(255) }),
  (world, { which, does, value }) => {
    const position = which % Math.max(world.strays.length, 1)
    const buffer = world.strays[position]
    if (buffer === undefined || buffer.byteLength === 0) return
    const bytes = new Uint8Array(buffer)
    if (does === 'read') ensure(bytes.reduce((sum, byte) => sum + byte, 0) >= 0, 'it cannot be read')
    if (does === 'write') {
      bytes.fill(value)
      world.strayWritten()
    }
    if (does === 'move') world.strays[position] = structuredClone(buffer, { transfer: [buffer] })
    if (does === 'copy') attempt(() => NativeBuffer.from(buffer).free(), ['ERR_CMALLOC_OUT_OF_MEMORY'])
    if (does === 'drop') world.strays.splice(position, 1)
  },
)

/** The language's own functions, whose callbacks and conversions end the block under them. */
const BUILT_INS = {
  sort: (bytes: Uint8Array, act: () => number) => bytes.subarray(0, 40).sort(act),
  map: (bytes: Uint8Array, act: () => number) => bytes.subarray(0, 10).map(act),
  set: (bytes: Uint8Array, act: () => number) => bytes.set({ length: 2, get 0() { return act() }, 1: 1 } as never), // prettier-ignore
  at: (bytes: Uint8Array, _: () => number, object: unknown) => bytes.at(object as number),
  fill: (bytes: Uint8Array, _: () => number, object: unknown) => bytes.fill(object as number, 0, 100),
  copyWithin: (bytes: Uint8Array, _: () => number, object: unknown) => bytes.copyWithin(0, 1, object as number),
  subarray: (bytes: Uint8Array, _: () => number, object: unknown) => bytes.subarray(0, object as number),
  slice: (bytes: Uint8Array, _: () => number, object: unknown) => bytes.slice(0, object as number),
  store: (bytes: Uint8Array, _: () => number, object: unknown) => Atomics.store(bytes, 0, object as number),
  exchange: (bytes: Uint8Array, _: () => number, object: unknown) => Atomics.exchange(bytes, 0, object as number),
  setUint8: (bytes: Uint8Array, _: () => number, object: unknown) =>
    new DataView(bytes.buffer).setUint8(0, object as number),
  iterate: (bytes: Uint8Array, act: () => number) => {
    for (const [position] of bytes.subarray(0, 10).entries()) if (position === 3) act()
  },
}

const builtIn = kindOf(
  'built-in',
  4,
  fc.record({ of: register, call: fc.constantFrom(...(Object.keys(BUILT_INS) as (keyof typeof BUILT_INS)[])), effect }),
  (world, block, { call, effect: what }) => {
    const bytes = bytesOf(block)
    if (bytes === undefined) return
    const act = (): number => {
      cause(world, what)
      return 1
    }
    attempt(() => BUILT_INS[call](bytes, act, coercible(world, 1, what)), [PLAIN, 'RangeError'])
    resync(block)
  },
)

const show = kindOf('show', 3, fc.record({ of: register, effect }), (world, block, { effect: what }) => {
  ensure(inspect(block.handle).startsWith('NativeBuffer {'), 'util.inspect shows something else')
  attempt(() => structuredClone(block.handle), ['25'])
  attempt(
    () => structuredClone(block.handle, { transfer: [block.handle as never] }),
    ['25', 'ERR_INVALID_TRANSFER_OBJECT', PLAIN],
  )
  ensure(
    JSON.stringify(block.handle).startsWith('"[NativeBuffer: its bytes are not in JSON'),
    'JSON shows something else',
  )
  attempt(() => Array.from(trap(world, block.handle, what) as never), ['ERR_INVALID_ARG_TYPE', PLAIN])
  for (const other of world.blocks) if (other !== undefined) resync(other)
})

const collectGarbage = kind(
  'gc',
  1,
  fc.record({ keepViews: fc.boolean(), what: fc.constantFrom('young', 'young', 'young', 'everything') }),
  (world, { keepViews, what }) => {
    if (!keepViews) for (const block of world.blocks) if (block !== undefined) block.views = []
    collect(what)
  },
)

const turn = kind('turn', 1, fc.record({}), () => new Promise<void>((done) => setImmediate(done)))

export const VIEW_KINDS = [read, write, view, move, stray, builtIn, show, collectGarbage, turn]
