import { setImmediate as turn } from 'node:timers/promises'
import { stats, takeOver, type MallocOptions, type NativeBuffer, type Pin, type Ticket } from 'cmalloc'
import type { MemManager } from 'cmalloc/mem-manager'
import type { Pool } from 'cmalloc/pool'
import { ensure } from '../random/ensure.js'
import * as libc from '../support/libc.js'
import { ArenaModel } from './arena.js'
import { CacheModel, type Fate } from './cache.js'
import type { Request } from './request.js'

/** No sequence may hold more than this. */
export const MEMORY_LIMIT = 256 * 2 ** 20

/** What the bytes of a block must be: a copy that every step keeps up to date. */
export type Shadow = Buffer

/**
 * Whether other JavaScript can reach the bytes of a block:
 *
 * - `no`
 * - `yes`: an ArrayBuffer that was moved away has them
 * - `perhaps`: it was dropped, and may or may not have been collected
 */
export type Escaped = 'no' | 'yes' | 'perhaps'

/** One handle, and what is known of it. */
export interface Block {
  readonly handle: NativeBuffer
  /** What is special about it. */
  readonly options: MallocOptions
  /** Shared with the ArrayBuffer that the bytes were moved to, as long as both have the same memory. */
  shadow: Shadow
  escaped: Escaped
  /** The block's ArrayBuffer, if it has one. */
  buffer: ArrayBuffer | undefined
  /** Views that must become empty when the block ends or moves. */
  views: ArrayBufferView[]
  readonly pins: Pin[]
  /** Whether it is to be freed with its last pin. */
  disposed: boolean
  /** Whether it is as plain `malloc` made it: the cache may keep it at its end. */
  plain: boolean
  /** The block's `SharedArrayBuffer`, if it has one. */
  shared: SharedArrayBuffer | undefined
}

/** A `SharedArrayBuffer` that outlives the handle of its block. */
export interface Sharer {
  readonly shared: SharedArrayBuffer
  readonly shadow: Shadow
}

/** An ArrayBuffer that took the bytes of a block along. */
export interface Stray {
  buffer: ArrayBuffer
  readonly shadow: Shadow
}

/** A request that has bytes of a block, or of what was one. */
export interface Flight {
  readonly block: Block
  readonly bytes: Uint8Array
  /** What is under the bytes. */
  readonly shadow: Shadow
  readonly request: Request
}

/** An ArrayBuffer that outlives the end of its block, as a request was in flight then. */
export interface Held {
  readonly buffer: ArrayBuffer
  readonly shadow: Shadow
}

/** So many of them at most: the oldest are dropped. */
const MOST_HELD = 12

/** A block that C has: released, or made by its malloc. */
export class Foreign {
  constructor(
    readonly address: bigint,
    readonly shadow: Shadow,
  ) {}

  get byteLength(): number {
    return this.shadow.length
  }
}

/** A manager, and what is known of it. */
export interface Manager {
  readonly handle: MemManager
  readonly shadow: Shadow
  /** How often its death stub was called, if it has one. */
  readonly deaths: { count: number }
  readonly hasStub: boolean
  /** What its memory is from. */
  readonly allocator: 'CMalloc' | 'ArrayBuffer' | 'Pool' | 'Arena'
}

/** The state of one sequence: what there is of blocks, and what each must hold. */
export class World {
  blocks: Block[] = []
  /** Handles whose block is gone. */
  dead: NativeBuffer[] = []
  strays: Stray[] = []
  /** Blocks on their way to another thread. */
  tickets: { ticket: Ticket; shadow: Shadow; options: MallocOptions }[] = []
  foreign: Foreign[] = []
  readonly managers: Manager[] = []
  /** The request in flight, if there is one. */
  flight: Flight | undefined
  readonly held: Held[] = []
  readonly sharers: Sharer[] = []
  readonly cache = new CacheModel()
  readonly arena = new ArenaModel()
  readonly pools: Record<'plain' | 'scrubbing', Pool | undefined> = { plain: undefined, scrubbing: undefined }

  /** A new handle. Of bytes that nobody has written, what they hold is taken as it is: it must stay. */
  adopt(
    handle: NativeBuffer,
    contents: Uint8Array | undefined,
    byteLength: number,
    options: MallocOptions = {},
  ): Block {
    for (const other of [...this.blocks.map((block) => block.handle), ...this.foreign])
      ensure(isApart(handle, other), 'a block of somebody else is there')
    const block: Block = {
      handle,
      options,
      shadow: shadowOf(handle.address, contents, byteLength),
      escaped: 'no',
      buffer: undefined,
      views: [],
      pins: [],
      disposed: false,
      plain: false,
      shared: undefined,
    }
    this.blocks.push(block)
    return block
  }

  /** A new handle for a block as plain `malloc` makes it. */
  allocate(byteLength: number, contents: Uint8Array | undefined, allocate: () => NativeBuffer): void {
    const handle = this.cache.allocate(byteLength, contents !== undefined, allocate)
    this.adopt(handle, contents, byteLength).plain = true
  }

  /** Frees a block by a call that asks first whether its bytes are in use. */
  free(block: Block, free: () => void): void {
    this.cache.free(block, this.#fateOf(block), free)
    this.letGo(block)
  }

  #fateOf({ plain, escaped, buffer }: Block): Fate {
    if (!plain || escaped === 'yes' || (this.flight !== undefined && buffer !== undefined)) return 'gone'
    return escaped === 'no' ? 'kept' : 'perhaps'
  }

  /** Says that the block of a handle is gone from it. Its views must be empty. */
  end(block: Block): void {
    this.blocks.splice(this.blocks.indexOf(block), 1)
    // A secret is wiped for all who have it.
    if (block.shared !== undefined && block.options.secure === true) block.shadow.fill(0)
    this.unshare(block)
    detached(block)
    this.dead.push(block.handle)
    if (this.dead.length > 5) this.dead.shift()
  }

  /** Says that a call has ended the block of a handle that asks first whether its bytes are in use. */
  letGo(block: Block): void {
    // A secret is nobody's any more, not even theirs who may be using it; but for who has its bytes by a transfer.
    const isInUse = this.flight !== undefined && block.buffer !== undefined && block.escaped !== 'yes'
    if (isInUse && block.options.secure === true) block.shadow.fill(0)
    this.leave(block)
    this.end(block)
  }

  /** Says that a handle has left what others share with it: they keep the bytes. */
  unshare(block: Block): void {
    const { shadow, shared } = block
    block.shared = undefined
    if (shared === undefined) return
    this.sharers.push({ shared, shadow })
    if (this.sharers.length > MOST_HELD) this.sharers.shift()
  }

  /** Says that a handle has left its block, for its end or for another block: what has its bytes keeps them. */
  leave(block: Block): void {
    const { buffer, shadow } = block
    if (this.flight === undefined || buffer === undefined) return detached(block)
    ensure(buffer.byteLength === shadow.length, 'an ArrayBuffer ended while a request was in flight')
    for (const view of block.views) ensure(view.buffer === buffer, 'a view is of another ArrayBuffer')
    this.hold(buffer, shadow)
    block.views = []
    block.buffer = undefined
  }

  /** Keeps bytes that were let go, which stay what they are. */
  hold(buffer: ArrayBuffer, shadow: Shadow): void {
    this.held.push({ buffer, shadow })
    if (this.held.length > MOST_HELD) this.held.shift()
  }

  /** The request writes a byte, and is no more. */
  async land(byte: number): Promise<void> {
    if (this.flight === undefined) return
    const { bytes, request, shadow } = this.flight
    await request.complete(byte)
    this.flight = undefined
    shadow[0] = byte
    ensure(bytes.length === shadow.length && bytes[0] === byte, 'what was read is not where it was to be')
  }

  check(): void {
    this.arena.check()
    for (const { handle, shadow } of this.managers) {
      ensure(!handle.freed && handle.bufferSize === shadow.length, 'a live manager is freed')
      ensure(holds(handle.buffer, shadow), 'the bytes of a manager are others')
    }
    for (const block of this.blocks) checkBlock(block)
    for (const handle of this.dead) ensure(handle.freed && handle.byteLength === 0 && !handle.pinned, 'not freed')
    for (const { buffer, shadow } of this.strays) ensure(shadow.equals(new Uint8Array(buffer)), 'moved bytes changed')
    for (const { address, shadow } of this.foreign) ensure(holds(address, shadow), 'the bytes that C has changed')
    for (const { buffer, shadow } of this.held) ensure(shadow.equals(new Uint8Array(buffer)), 'bytes in use changed')
    for (const { shared, shadow } of this.sharers) ensure(shadow.equals(new Uint8Array(shared)), 'shared bytes changed')
    this.cache.check([...this.foreign, ...this.blocks.map(({ handle }) => handle)])
    if (this.held.length > 0) ensure(stats().letGoBlocks >= this.held.length, 'blocks that were let go are not counted')
    if (this.flight !== undefined) {
      const { bytes, shadow } = this.flight
      ensure(shadow.equals(bytes), 'the bytes that the request has changed')
    }
  }

  async finish(free: boolean): Promise<void> {
    this.cache.checkBytes()
    if (free) for (const { handle } of this.managers) handle.free()
    this.arena.finish(free)
    for (const pool of Object.values(this.pools)) pool?.[Symbol.dispose]()
    for (const { handle, pins } of this.blocks) {
      for (const pin of pins) pin.unpin()
      if (free) handle[Symbol.dispose]()
    }
    for (const { ticket } of this.tickets) takeOver(ticket).free()
    for (const { address } of this.foreign) libc.free(address)
    await this.land(0)
    for (const { shared, shadow } of this.sharers) ensure(shadow.equals(new Uint8Array(shared)), 'shared bytes changed')
    // What the sequence has closed is an open handle until the loop turns.
    await turn()
  }
}

/** The ArrayBuffer of a block must be detached; from now on it has none. */
export function detached(block: Block): void {
  for (const view of block.views) ensure(view.buffer.byteLength === 0, 'a view outlived its block')
  ensure(block.buffer === undefined || block.buffer.byteLength === 0, 'an ArrayBuffer outlived its block')
  block.views = []
  block.buffer = undefined
}

/** What a block must hold: what was said, and beyond that what it does hold. */
export function shadowOf(address: bigint, contents: Uint8Array | undefined, byteLength: number): Shadow {
  const shadow = libc.read(address, byteLength)
  if (contents !== undefined) shadow.set(contents.length > byteLength ? contents.subarray(0, byteLength) : contents)
  return shadow
}

interface Range {
  readonly address: bigint
  readonly byteLength: number
}

function isApart(one: Range, other: Range): boolean {
  return (
    one.address + BigInt(one.byteLength) <= other.address || other.address + BigInt(other.byteLength) <= one.address
  )
}

function holds(address: bigint, shadow: Shadow): boolean {
  return libc.memcmp(address, shadow, shadow.length) === 0
}

function checkBlock({ handle, options, shadow, pins, shared }: Block): void {
  ensure(!handle.freed, 'a live block is freed')
  ensure(handle.address % BigInt(options.align ?? 1) === 0n, `0x${handle.address.toString(16)} is not aligned`)
  ensure(handle.byteLength === shadow.length, `byteLength is ${handle.byteLength}, not ${shadow.length}`)
  ensure(handle.pinned === pins.length > 0, `pinned is ${handle.pinned}, with ${pins.length} pins`)
  // As C sees them, not through a view: making one would change what is tested.
  ensure(holds(handle.address, shadow), 'the bytes are others')
  if (shared !== undefined) ensure(shadow.equals(new Uint8Array(shared)), 'the shared bytes are others')
}
