import { rawCalls, Slot, type BlockPool, type GrowingBlock } from '../runtime/native.js'
import { fillByte, fillSlot, UNINIT, type CheckedInit } from './init.js'
import type { CheckedOptions } from './options.js'

const { allocate, endOfKeys, free, freeNow, keyStep, registers } = rawCalls

/**
 * A slot, and what is known of it. A native object that the garbage collector watches costs as much as a
 * dozen allocations, so that the cells of freed blocks are kept and used again. A handle that is dropped
 * takes its cell with it; the slot's finalizer then frees the block.
 */
export interface Cell {
  readonly slot: Slot
  /** The slot's number for the raw calls, or -1 if it has none left. */
  key: number
  /** The block's address, or -1 if a number cannot hold it. */
  address: number
  /** In the pool: the cell below. */
  next: Cell | undefined
}

/** What is kept at most: some 200 bytes each. */
const POOL_LIMIT = 16_384

/** A stack, linked through its cells: no method of `Array.prototype` is asked, which a program may replace. */
let pool: Cell | undefined
let pooled = 0

/** A cell without a block. */
function acquire(): Cell {
  const cell = pool
  if (cell !== undefined) {
    pool = cell.next
    // Else this cell would keep the one below from being collected, with its block, once that is taken and dropped.
    cell.next = undefined
    pooled -= 1
    return cell
  }
  const slot = new Slot()
  return { slot, key: slot.key, address: 0, next: undefined }
}

/** Takes a cell back whose block is gone. */
function recycle(cell: Cell): void {
  if (cell.key < 0 || pooled >= POOL_LIMIT) return
  cell.next = pool
  pool = cell
  pooled += 1
}

/** Takes a cell back whose block a call of its slot has taken away. */
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
  } catch (error) {
    cell.key = cell.slot.key
    if (cell.slot.freed) recycle(cell)
    throw error
  }
  if (typeof init !== 'number') initialise(cell, () => fillSlot(cell.slot, init, 0, byteLength))
  return cell
}

/** Allocates and fills a block that is special. Every argument must have been checked. */
export function allocateCellWith(options: CheckedOptions, byteLength: number, init: CheckedInit): Cell {
  const { align, lazy, secure } = options
  const cell = receive((slot) => slot.allocate(byteLength, fillByte(init), align, lazy, secure))
  if (typeof init !== 'number') initialise(cell, () => fillSlot(cell.slot, init, 0, byteLength))
  return cell
}

/** Takes a block from a pool, and fills it. Every argument must have been checked. */
export function allocateCellFrom(blocks: BlockPool, byteLength: number, init: CheckedInit): Cell {
  const cell = acquire()
  try {
    cell.address = cell.slot.allocateFrom(blocks, byteLength, fillByte(init))
  } catch (error) {
    recycle(cell)
    throw error
  }
  if (typeof init !== 'number') initialise(cell, () => fillSlot(cell.slot, init, 0, byteLength))
  return cell
}

/** Gives a new block its contents; frees it if that throws, as a typed array may lie about its length. */
export function initialise(cell: Cell, write: () => void): void {
  try {
    write()
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
  refresh(cell)
  return [cell, resizeFailed]
}

/** Takes over the block of a ticket. */
export function takeOverIntoCell(ticket: string): Cell {
  return receive((slot) => slot.takeOver(ticket))
}

/** Takes over a block that has become resident. */
export function adoptIntoCell(growing: GrowingBlock): Cell {
  return receive((slot) => slot.adopt(growing))
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
  refresh(cell)
  return cell
}

/** Frees a cell's block unless something may be using its bytes, to which it is left then. Recycles the cell. */
export function freeCell(cell: Cell): void {
  if (cell.key >= 0) {
    registers[0] = cell.key
    free()
    advance(cell)
    recycle(cell)
  } else {
    cell.slot.free()
  }
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

/** Looks up what may have changed: after a call that moves the block or makes the key stale. */
export function refresh(cell: Cell): void {
  const { key, address } = cell.slot
  cell.key = key
  cell.address = address <= Number.MAX_SAFE_INTEGER ? Number(address) : -1
}

/** What the binding says if a block was let go because a request was in flight. */
const REQUEST = 2

/** Calls what frees or resizes blocks. Returns whether one was let go because a request was in flight. */
export function letsGo(end: () => void): boolean {
  registers[1] = 0
  end()
  return registers[1] === REQUEST
}
