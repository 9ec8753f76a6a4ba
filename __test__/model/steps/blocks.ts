/** Blocks come, change their length, and go. */

import { free, malloc, NativeBuffer, setMemoryLimit, stats } from 'cmalloc'
import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import { kind, kindOf, mustThrow, none, pick } from '../kind.js'
import { bytesOf, length, optionalInit, options, position, rangeOf } from '../values.js'
import { MEMORY_LIMIT, shadowOf, type Block, type World } from '../world.js'

/** Live blocks at most: enough for every step to meet many others. */
export const MOST_BLOCKS = 40

function allocateOne(world: World, count: number, size: number, given: Parameters<typeof malloc>[2]): void {
  const contents = given === undefined ? undefined : bytesOf(given, count * size)
  world.allocate(count * size, contents, () => malloc(count, size, given))
}

const allocate = kind(
  'malloc',
  12,
  fc.record({ count: length, size: fc.constantFrom(1, 1, 1, 2, 8), init: optionalInit }),
  (world, { count, size, init }) => {
    if (world.blocks.length < MOST_BLOCKS) allocateOne(world, count, size, init)
  },
)

const allocateSpecial = kind(
  'malloc with options',
  5,
  fc.record({ byteLength: length, init: optionalInit, options }),
  (world, { byteLength, init, options: asked }) => {
    if (world.blocks.length >= MOST_BLOCKS) return
    const given = asked.lazy === true ? (init === undefined ? undefined : 'zero') : init
    const contents = given === undefined ? undefined : bytesOf(given, byteLength)
    const call = (): NativeBuffer => malloc(byteLength, 1, given, asked)
    const isPlain = (asked.align ?? 1) === 1 && asked.lazy !== true && asked.secure !== true
    if (isPlain) world.allocate(byteLength, contents, call)
    else world.adopt(call(), contents, byteLength, asked)
  },
)

const allocateMany = kind(
  'malloc of many',
  1,
  fc.record({ lengths: fc.array(length, { minLength: 5, maxLength: 20 }), init: optionalInit }),
  (world, { lengths, init }) => {
    for (const byteLength of lengths) if (world.blocks.length < MOST_BLOCKS) allocateOne(world, byteLength, 1, init)
  },
)

const copyOwn = kind('from', 2, fc.uint8Array({ minLength: 1, maxLength: 100 }), (world, bytes) => {
  world.allocate(bytes.length, bytes, () => NativeBuffer.from(bytes))
})

const slice = kindOf('slice', 4, fc.tuple(position, position), (world, { handle, shadow }, ends) => {
  const [from, to] = rangeOf(ends, shadow.length)
  if (from === to) return mustThrow('ERR_OUT_OF_RANGE', () => handle.slice(from, to))
  world.allocate(to - from, shadow.subarray(from, to), () => handle.slice(from - shadow.length || -shadow.length, to))
})

const resize = kindOf('resize', 8, fc.record({ to: length, init: optionalInit }), (world, block, { to, init }) => {
  const { handle } = block
  const shadow = Buffer.from(block.shadow)
  if (block.pins.length > 0) return mustThrow('ERR_CMALLOC_PINNED', () => handle.resize(to))
  ensure(handle.resize(to, init) === handle, 'resize did not return its buffer')
  world.leave(block)
  world.unshare(block)
  block.plain = false
  // A block whose bytes had moved away was copied, and now has bytes of its own.
  block.escaped = 'no'
  block.shadow = shadowOf(handle.address, shadow, to)
  if (init !== undefined && to > shadow.length) block.shadow.set(bytesOf(init, to - shadow.length), shadow.length)
})

const WAYS: Record<string, (handle: NativeBuffer) => void> = {
  method: (handle) => handle.free(),
  function: (handle) => free(handle),
}

const freeIt = kindOf('free', 8, fc.constantFrom(...Object.keys(WAYS)), (world, block, way) => {
  if (block.pins.length > 0) return mustThrow('ERR_CMALLOC_PINNED', () => WAYS[way]!(block.handle))
  world.free(block, () => WAYS[way]!(block.handle))
})

const dispose = kindOf('dispose', 3, none, (world, block) => {
  if (block.pins.length === 0) return world.free(block, () => block.handle[Symbol.dispose]())
  block.handle[Symbol.dispose]()
  block.disposed = true
})

/** The garbage collector frees it, at some time. */
const drop = kindOf('drop', 2, none, (world, block) => {
  for (const pin of block.pins) pin.unpin()
  if (block.disposed) return world.letGo(block)
  world.blocks.splice(world.blocks.indexOf(block), 1)
  world.unshare(block)
})

const pin = kindOf('pin', 3, none, (_world, block) => {
  block.pins.push(block.handle.pin())
  block.plain = false
})

function unpinOne(world: World, block: Block, which: number): void {
  const [held] = block.pins.splice(which % Math.max(block.pins.length, 1), 1)
  if (held === undefined) return
  held.unpin()
  held.unpin()
  if (block.pins.length === 0 && block.disposed) world.letGo(block)
}

const unpin = kindOf('unpin', 3, fc.nat(), unpinOne)

/** Every way to use a handle whose block is gone. */
const USES: Record<string, (handle: NativeBuffer) => unknown> = {
  address: (handle) => handle.address,
  buffer: (handle) => handle.buffer,
  bytes: (handle) => handle.bytes,
  view: (handle) => handle.view(Uint8Array),
  fill: (handle) => handle.fill(0),
  slice: (handle) => handle.slice(),
  resize: (handle) => handle.resize(1),
  residentBytes: (handle) => handle.residentBytes(),
  pin: (handle) => handle.pin(),
  read: (handle) => handle.read(new Uint8Array(1)),
  write: (handle) => handle.write(new Uint8Array(1)),
  shared: (handle) => handle.shared,
  release: (handle) => handle.release(),
  free: (handle) => handle.free(),
}

const useDead = kind(
  'use of a freed handle',
  2,
  fc.tuple(fc.nat(), fc.constantFrom(...Object.keys(USES))),
  (world, [which, use]) => {
    const handle = pick(world.dead, which)
    if (handle === undefined) return
    mustThrow('ERR_CMALLOC_FREED', () => USES[use]!(handle))
    handle[Symbol.dispose]()
  },
)

const resident = kindOf('residentBytes', 1, none, (_world, { handle, options: { lazy }, shadow }) => {
  ensure(lazy === true || handle.residentBytes() === shadow.length, 'not resident')
})

const refused = kind('beyond the limit', 1, fc.nat(1000), (_world, room) => {
  const { liveBytes, liveBlocks } = stats()
  setMemoryLimit(liveBytes + room + 1)
  try {
    mustThrow('ERR_CMALLOC_OUT_OF_MEMORY', () => malloc(liveBytes + 2 * room + 2))
    ensure(stats().liveBlocks <= liveBlocks, 'a refused block is counted')
  } finally {
    setMemoryLimit(MEMORY_LIMIT)
  }
})

export const BLOCK_KINDS = [
  allocate,
  allocateSpecial,
  allocateMany,
  copyOwn,
  slice,
  resize,
  freeIt,
  dispose,
  drop,
  pin,
  unpin,
  useDead,
  resident,
  refused,
]
