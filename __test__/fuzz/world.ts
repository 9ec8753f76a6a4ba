import { perThread, setCacheLimit, stats, type NativeBuffer } from 'cmalloc'
import koffi from 'koffi'
import { ensure } from '../random/ensure.js'
import * as libc from '../support/libc.js'

/** Reads a byte at an address, as C would. */
const readByte: (address: bigint) => number = koffi.decode.uint8

/** No sequence may hold more than this: the child process sets it as its memory limit. */
export const MEMORY_LIMIT = 256 * 2 ** 20

export const REGISTERS = 6

/** What is known of one handle. */
export interface Block {
  readonly handle: NativeBuffer
  alive: boolean
  byteLength: number
  /** The first and the last byte, where they are known. */
  first: number | undefined
  last: number | undefined
  /** Whether it was made a secure one. */
  secure: boolean
  /** Whether it was made a lazy one, whose pages come as they are used. */
  lazy: boolean
  /** Whether its ArrayBuffer was moved away, so that it may be escaped. */
  moved: boolean
  /** Views that must be empty once the block is gone. */
  views: ArrayBufferView[]
  /** Its `SharedArrayBuffer`, if it has one. */
  shared: SharedArrayBuffer | undefined
}

/** A `SharedArrayBuffer` whose block has left its handle, and what it held then. */
interface Sharer {
  readonly bytes: Uint8Array
  readonly held: Uint8Array
}

/** So many of them at most: the oldest are dropped. */
const MOST_SHARERS = 5

/** A block that was released: it is ours to consume or to free. */
export interface Released {
  address: bigint
  readonly byteLength: number
  readonly first: number | undefined
}

/** The state of one sequence: the handles under test, and beside each what it must be. */
export class World {
  readonly blocks: (Block | undefined)[] = Array.from({ length: REGISTERS }, () => undefined)
  readonly released: Released[] = []
  /** ArrayBuffers that took the bytes of a block away. */
  strays: ArrayBuffer[] = []
  /** What else holds the bytes of a block, where nobody reads them. */
  readonly held: unknown[] = []
  readonly sharers: Sharer[] = []
  #cacheLimit = 0
  /** How often an argument's own code did something to a handle. */
  effects = 0

  constructor() {
    this.cacheLimit = 4 * 2 ** 20
  }

  /** How many bytes of freed blocks may be kept. */
  get cacheLimit(): number {
    return this.#cacheLimit
  }

  set cacheLimit(bytes: number) {
    setCacheLimit(bytes)
    this.#cacheLimit = process.env['CMALLOC_CACHE'] === '0' ? 0 : bytes
  }

  /** Puts a new handle into a register; the one before is dropped, for the garbage collector to free. */
  adopt(register: number, handle: NativeBuffer, byteLength: number, first?: number, last?: number): Block {
    const known = { alive: true, byteLength, first, last, secure: false, lazy: false, moved: false, shared: undefined }
    const block: Block = { handle, ...known, views: [] }
    this.blocks[register] = block
    check(block)
    return block
  }

  /** Says that a block is gone, in whatever way. Its views must be empty, unless its bytes live elsewhere. */
  end(block: Block): void {
    this.unshare(block)
    block.alive = false
    block.byteLength = 0
    this.mustBeEmpty(block)
  }

  /** Says that a block has left its handle: what shares its bytes keeps them. */
  unshare(block: Block): void {
    const { shared, first, moved } = block
    block.shared = undefined
    if (shared === undefined) return
    const bytes = new Uint8Array(shared)
    ensure(bytes.length === block.byteLength, 'a SharedArrayBuffer has another length')
    if (!moved && !block.secure) ensure(first === undefined || bytes[0] === first, 'shared bytes are others')
    this.sharers.push({ bytes, held: bytes.slice() })
    if (moved) this.sharers.pop()
    if (this.sharers.length > MOST_SHARERS) this.sharers.shift()
  }

  mustBeEmpty(block: Block): void {
    for (const view of block.views) ensure(view.buffer.byteLength === 0, 'a view outlived its block')
    block.views = []
  }

  /** Somebody wrote to bytes that a moved ArrayBuffer took along. */
  strayWritten(): void {
    for (const block of this.blocks) if (block?.moved) block.first = block.last = undefined
  }

  /** Every handle must be what it is known to be. */
  check(): void {
    for (const block of this.blocks) if (block !== undefined) check(block)
    for (const { bytes, held } of this.sharers) ensure(Buffer.compare(bytes, held) === 0, 'shared bytes changed')
    const { liveBytes, cachedBytes } = perThread()
    ensure(cachedBytes <= this.cacheLimit, `${cachedBytes} bytes are kept, of ${this.cacheLimit}`)
    ensure(liveBytes >= 0 && liveBytes <= MEMORY_LIMIT, `${liveBytes} bytes are live`)
  }

  finish(free: boolean): void {
    if (free) for (const block of this.blocks) block?.handle[Symbol.dispose]()
    for (const { address } of this.released) libc.free(address)
  }
}

/** Takes over what a handle says of itself, after code of an argument's own may have changed it. */
export function resync(block: Block): void {
  const { handle } = block
  ensure(handle.freed === (handle.byteLength === 0), 'freed, but with a length')
  block.alive = !handle.freed
  if (block.byteLength !== handle.byteLength) {
    block.views = []
    block.shared = undefined
  }
  block.byteLength = handle.byteLength
  block.first = block.last = undefined
}

function check(block: Block): void {
  const { handle } = block
  ensure(handle.freed === !block.alive, `freed is ${handle.freed}`)
  ensure(handle.byteLength === block.byteLength, `byteLength is ${handle.byteLength}, not ${block.byteLength}`)
  if (!block.alive) return
  const { address } = handle
  ensure(address > 0n && address % 8n === 0n, `the address is ${address}`)
  // Not through a view: making one would change what is tested.
  const [first, last] = [readByte(address), readByte(address + BigInt(block.byteLength - 1))]
  ensure(block.first === undefined || first === block.first, `the first byte is ${first}, not ${block.first}`)
  ensure(block.last === undefined || last === block.last, `the last byte is ${last}, not ${block.last}`)
}

/** Whether so many bytes more could rightly be refused. */
export function mayBeRefused(byteLength: number): boolean {
  const { liveBytes, availableBytes } = stats()
  return liveBytes + byteLength > MEMORY_LIMIT || (availableBytes ?? Infinity) < byteLength + 2 ** 30
}
