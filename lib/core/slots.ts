import type { Bytes } from '../runtime/bytes.js'
import { rawCalls, Slot, type BlockPool, type IncrementalBlock } from '../runtime/native.js'
import { fillByte, fillSlot, UNINIT, type CheckedInit } from './init.js'
import type { CheckedOptions } from './options.js'

const { allocate, buffer, detach, endOfKeys, fill, free, freeNow, keyStep, mayCache, owner, read, registers, write } =
  rawCalls

/**
 * A slot of the binding, and what JavaScript knows of it. To make a slot costs as much as a dozen allocations, as the
 * garbage collector watches it. So the cells of freed blocks are pooled and used again. The cell of a handle that is
 * dropped is collected with it, and the slot's finalizer frees the block.
 */
export interface Cell {
  readonly slot: Slot
  /** The slot's number for the raw calls, or -1 if it has none left. */
  key: number
  /** The block's address, or -1 if a number cannot hold it. */
  address: number
  /** The block's length. */
  byteLength: number
  /** All of the block's `ArrayBuffer`, once a view was asked for. */
  bytes: Bytes | undefined
  /** The `SharedArrayBuffer` over the block, once it was asked for. */
  shared: SharedArrayBuffer | undefined
  /**
   * Whether the cache may keep the block at its end. It may as long as the block is as `malloc` made it, and nobody but its
   * handle has ever had a claim to it: whatever else happens to the block sets this to false.
   */
  kept: boolean
  /** In the pool or in the cache: the next cell of the list. */
  next: Cell | undefined
}

/** The longest block that the cache may keep. */
const LONGEST_KEPT = mayCache ? 2 ** 20 : 0

/** How many cells are pooled at most. Each has some 200 bytes. */
const POOL_LIMIT = 16_384

/** Why a block was let go, as the binding says it. */
export type Reason = number

/** It was not let go. */
export const NOT_LET_GO: Reason = 0

/** It was let go because a request was in flight. */
export const REQUEST: Reason = 2

/** A linked list, not an array: a program may replace the methods of `Array.prototype`. */
let pool: Cell | undefined
let pooled = 0

/** A cell without a block, from the pool or new. */
function acquire(): Cell {
  const cell = pool
  if (cell !== undefined) {
    pool = cell.next
    // Otherwise this cell would keep the next one alive, and its block, after a handle took that and was dropped.
    cell.next = undefined
    cell.kept = false
    pooled -= 1
    return cell
  }
  const slot = new Slot(owner)
  return {
    slot,
    key: slot.key,
    address: 0,
    byteLength: 0,
    bytes: undefined,
    shared: undefined,
    kept: false,
    next: undefined,
  }
}

/** Puts a cell without a block into the pool. */
function recycle(cell: Cell): void {
  cell.bytes = undefined
  // It keeps the bytes of the block that is gone.
  cell.shared = undefined
  if (cell.key < 0 || pooled >= POOL_LIMIT) return
  cell.next = pool
  pool = cell
  pooled += 1
}

/** Recycles a cell after a method of its slot has taken the block out. That made the key stale. */
export function recycleEmpty(cell: Cell): void {
  cell.key = cell.slot.key
  recycle(cell)
}

/** Allocates and fills a block. Every argument must have been checked. */
export function allocateCell(byteLength: number, init: CheckedInit): Cell {
  const cell = acquire()
  try {
    registers[0] = cell.key
    registers[1] = byteLength
    registers[2] = typeof init === 'number' ? init : UNINIT
    allocate()
    cell.address = registers[1]
    cell.byteLength = byteLength
    cell.kept = byteLength <= LONGEST_KEPT
  } catch (error) {
    cell.key = cell.slot.key
    if (cell.slot.freed) recycle(cell)
    throw error
  }
  fillPattern(cell, init)
  return cell
}

/** Allocates and fills a block that is special. Every argument must have been checked. */
export function allocateCellWith(options: CheckedOptions, byteLength: number, init: CheckedInit): Cell {
  const { align, lazy, secure } = options
  const cell = receive((slot) => slot.allocate(byteLength, fillByte(init), align, lazy, secure))
  fillPattern(cell, init)
  return cell
}

/** Takes a block from a pool, and fills it. Every argument must have been checked. */
export function allocateCellFrom(blocks: BlockPool, byteLength: number, init: CheckedInit): Cell {
  const cell = acquire()
  try {
    cell.address = cell.slot.allocateFrom(blocks, byteLength, fillByte(init))
    cell.byteLength = byteLength
  } catch (error) {
    recycle(cell)
    throw error
  }
  fillPattern(cell, init)
  return cell
}

/** Fills the whole of a block that was taken to be handed out. Every argument must have been checked. */
export function fillCell(cell: Cell, init: CheckedInit): void {
  if (typeof init !== 'number' || cell.key < 0) {
    initialise(cell, () => fillSlot(cell.slot, init, 0, cell.byteLength))
  } else {
    registers[0] = cell.key
    registers[2] = init
    fill()
  }
}

/** Fills a new block with a pattern. If it is to have one byte everywhere, it was made with that. */
function fillPattern(cell: Cell, init: CheckedInit): void {
  if (typeof init !== 'number') fillCell(cell, init)
}

/** Writes the contents of a new block. Frees it if that throws: a typed array may lie about its length. */
export function initialise(cell: Cell, put: () => void): void {
  try {
    put()
  } catch (error) {
    freeCell(cell)
    throw error
  }
}

/**
 * Takes over a foreign block that was claimed. Returns its cell, and whether it could not be resized. `refused` is
 * called if the block is still its owner's.
 */
export function consumeIntoCell(
  address: bigint,
  byteLength: number,
  refused: () => void,
): [cell: Cell, resizeFailed: boolean] {
  let cell: Cell | undefined
  let resizeFailed: boolean
  try {
    cell = acquire()
    resizeFailed = cell.slot.consume(address, byteLength, true)
  } catch (error) {
    refused()
    if (cell !== undefined) recycle(cell)
    throw error
  }
  refill(cell)
  return [cell, resizeFailed]
}

/** Takes over the block of a ticket. */
export function takeOverIntoCell(ticket: string): Cell {
  return receive((slot) => slot.takeOver(ticket))
}

/** Takes over a block that has become resident. */
export function adoptIntoCell(incremental: IncrementalBlock): Cell {
  return receive((slot) => slot.adopt(incremental))
}

/** A cell whose slot has been given a block. */
function receive(give: (slot: Slot) => void): Cell {
  const cell = acquire()
  try {
    give(cell.slot)
  } catch (error) {
    recycle(cell)
    throw error
  }
  refill(cell)
  return cell
}

/** Copies bytes into a cell's block, which must have room for them from `start` on. */
export function writeInto(cell: Cell, bytes: Uint8Array, start: number): void {
  if (cell.key < 0) return cell.slot.write(bytes, start)
  registers[0] = cell.key
  registers[1] = start
  write(bytes)
}

/** Fills a `Uint8Array` with what a cell's block, which must have so much, has from `start` on. */
export function readFrom(cell: Cell, bytes: Uint8Array, start: number): void {
  if (cell.key < 0) return cell.slot.read(bytes, start)
  registers[0] = cell.key
  registers[1] = start
  read(bytes)
}

/** The `ArrayBuffer` over a cell's block. */
export function bufferOf(cell: Cell): ArrayBuffer {
  if (cell.key < 0) return cell.slot.buffer()
  registers[0] = cell.key
  return buffer()
}

/** Detaches the `ArrayBuffer` over a cell's block. Returns whether nobody but the cell has the bytes then. */
export function detachBuffer(cell: Cell): boolean {
  if (cell.key < 0) return false
  registers[0] = cell.key
  detach()
  if (registers[1] === 0) return false
  cell.bytes = undefined
  return true
}

/** Frees a cell's block, or lets it go if something may be using its bytes. Recycles the cell. Returns the reason. */
export function freeCell(cell: Cell): Reason {
  if (cell.key < 0) return cell.slot.free()
  registers[0] = cell.key
  free()
  advance(cell)
  recycle(cell)
  return registers[1]!
}

/** Frees a cell's block at once, and recycles the cell. */
export function freeCellNow(cell: Cell): void {
  if (cell.key >= 0) {
    registers[0] = cell.key
    freeNow()
    advance(cell)
    recycle(cell)
  } else {
    cell.slot.freeNow()
  }
}

/** The key that a slot has after a raw call freed its block. */
function advance(cell: Cell): void {
  const next = cell.key + keyStep
  cell.key = next < endOfKeys ? next : -1
}

/** Reads all of a cell again, after its slot was given a block. */
export function refill(cell: Cell): void {
  refresh(cell)
  cell.byteLength = cell.slot.byteLength
  cell.bytes = undefined
  cell.shared = undefined
}

/** Reads key and address again, after a call that moves the block or makes the key stale. */
export function refresh(cell: Cell): void {
  const { key, address } = cell.slot
  cell.key = key
  cell.address = address <= Number.MAX_SAFE_INTEGER ? Number(address) : -1
}
