/**
 * The cache of freed blocks: cells that keep their blocks, for the next `malloc` of the same length in this thread. That
 * needs no native call, and what is kept is resident already. To the binding a cached slot owns its block as ever, so that
 * nothing about ownership, dropped handles or the end of a thread is new.
 *
 * Only a block that plain `malloc` made is kept, and to which nothing has happened since that gives others a claim to it: see
 * {@link Cell.kept}. If it has an `ArrayBuffer`, that is detached first; where it can't be, or something may be using the bytes,
 * the block is not kept.
 */

import { rawCalls } from '../runtime/native.js'
import { mapDelete, mapGet, mapSet } from '../runtime/primordials.js'
import { UNINIT, type CheckedInit } from './init.js'
import { allocateCell, detachBuffer, fillCell, freeCell, NOT_LET_GO, type Cell, type Reason } from './slots.js'

const { mayCache, registers } = rawCalls

/** Registers in which the cache counts, for the binding to read. */
const HANDED_OUT = 3
const BLOCKS = 4
const BYTES = 5
/** It is not 0 if some thread would be refused memory otherwise. */
const GIVE_UP = 6
/** What it is as long as nothing must be kept: more is live than the memory limit allows. */
const KEEP_NOTHING = 2

/** How many bytes are kept unless the program says otherwise. */
const DEFAULT_LIMIT = 4 * 2 ** 20
/** How many blocks are kept at most. A cell has some 200 bytes beside its block. */
const MOST_BLOCKS = 16_384
/** How many lengths are told apart at most. */
const MOST_BINS = 4096
/** The bins of lengths up to this are in an array. */
const SMALL = 1024

/** The kept cells of one length. The bins form a ring, from the one of which nothing was freed for longest to the latest. */
interface Bin {
  readonly byteLength: number
  /** A linked list, not an array: a program may replace the methods of `Array.prototype`. */
  top: Cell | undefined
  older: Bin
  newer: Bin
}

/** Where the ring begins and ends. It has no cells. */
const ring = { byteLength: 0, top: undefined } as unknown as Bin
ring.older = ring
ring.newer = ring

const small: (Bin | undefined)[] = []
for (let byteLength = 0; byteLength <= SMALL; byteLength++) small.push(undefined)
const large = new Map<number, Bin>()
let bins = 0
/** The bin that was used last: most programs ask for the same length many times. */
let last = ring

let limit = mayCache ? DEFAULT_LIMIT : 0

// What each `malloc` and each `free` runs is short, and the rest is in functions of its own: the compiler puts only so much into
// one piece of code.

/** Allocates and fills a block, a kept one if there is one. Every argument must have been checked. */
export function allocateOrTake(byteLength: number, init: CheckedInit): Cell {
  const bin = last.byteLength === byteLength ? last : find(byteLength)
  const cell = bin.top
  if (cell === undefined || registers[GIVE_UP] !== 0) return allocateAnew(byteLength, init)
  bin.top = cell.next
  // Otherwise this cell would keep the next one alive, and its block, after a handle took that and was dropped.
  cell.next = undefined
  registers[HANDED_OUT]! += 1
  registers[BLOCKS]! -= 1
  registers[BYTES]! -= byteLength
  if (init !== UNINIT) fillCell(cell, init)
  return cell
}

function allocateAnew(byteLength: number, init: CheckedInit): Cell {
  if (registers[GIVE_UP] !== 0) giveUp()
  return givingUp(() => allocateCell(byteLength, init))
}

/** Keeps a cell with its block, or frees the block and recycles the cell. Returns why the block was let go, if it was. */
export function keepOrFree(cell: Cell): Reason {
  if (!cell.kept) return freeCell(cell)
  const { byteLength } = cell
  const bytes = registers[BYTES]! + byteLength
  if (bytes > limit || registers[BLOCKS]! >= MOST_BLOCKS || registers[GIVE_UP] !== 0) {
    if (!makeRoom(byteLength)) return freeCell(cell)
  }
  if (cell.bytes !== undefined && !detachBuffer(cell)) return freeCell(cell)
  const bin = last.byteLength === byteLength && last.newer === ring ? last : latest(byteLength)
  // From here on nothing is called, so that nothing can throw: the cell would then have two owners, the cache and the caller.
  cell.next = bin.top
  bin.top = cell
  registers[BLOCKS]! += 1
  registers[BYTES]! += byteLength
  return NOT_LET_GO
}

/**
 * Runs what the binding may refuse for want of memory. If it does, frees what is kept and runs it again. Other threads, which
 * the binding has asked for theirs, free it at their next call.
 */
export function givingUp<T>(operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    const asked = registers[GIVE_UP]
    // If it had nothing, another evaluation's cache in this thread has something. Now that was asked, garbage is collected too.
    if (asked === 0 || (giveUp() === 0 && asked === KEEP_NOTHING)) throw error
    return operation()
  }
}

/** Frees everything that is kept. Returns how many bytes. */
export function giveUp(): number {
  if (registers[GIVE_UP] !== KEEP_NOTHING) registers[GIVE_UP] = 0
  const bytes = registers[BYTES]!
  shrink(0, 0)
  return bytes
}

/** Sets how many bytes are kept at most. */
export function limitCache(bytes: number): void {
  limit = mayCache ? bytes : 0
  shrink(limit, MOST_BLOCKS)
}

/** The bin of a length; the one without cells if there is none. */
function find(byteLength: number): Bin {
  const bin = byteLength <= SMALL ? small[byteLength] : mapGet(large, byteLength)
  return bin === undefined ? ring : (last = bin)
}

/** Frees the oldest until there is room for a block of this length. Returns whether it may be kept. */
function makeRoom(byteLength: number): boolean {
  if (registers[GIVE_UP] !== 0) {
    giveUp()
    if (registers[GIVE_UP] === KEEP_NOTHING) return false
  }
  if (byteLength > limit) return false
  shrink(limit - byteLength, MOST_BLOCKS - 1)
  return true
}

/** Frees the oldest until so much is left. */
function shrink(bytes: number, blocks: number): void {
  while (registers[BYTES]! > bytes || registers[BLOCKS]! > blocks) {
    const oldest = ring.newer
    if (oldest === ring) {
      // JavaScript was stopped while the cache counted.
      registers[BYTES] = 0
      registers[BLOCKS] = 0
      return
    }
    if (oldest.top === undefined) drop(oldest)
    else freeTop(oldest)
  }
}

function freeTop(bin: Bin): void {
  const cell = bin.top!
  bin.top = cell.next
  cell.next = undefined
  registers[BLOCKS]! -= 1
  registers[BYTES]! -= bin.byteLength
  freeCell(cell)
}

/** The bin of a length, as the latest of the ring. */
function latest(byteLength: number): Bin {
  let bin = find(byteLength)
  if (bin === ring) {
    if (bins >= MOST_BINS) {
      const oldest = ring.newer
      while (oldest.top !== undefined) freeTop(oldest)
      drop(oldest)
    }
    bin = { byteLength, top: undefined, older: ring, newer: ring }
    bins += 1
    if (byteLength <= SMALL) small[byteLength] = bin
    else mapSet(large, byteLength, bin)
  } else {
    unlink(bin)
  }
  bin.older = ring.older
  bin.newer = ring
  ring.older.newer = bin
  ring.older = bin
  last = bin
  return bin
}

function unlink(bin: Bin): void {
  bin.older.newer = bin.newer
  bin.newer.older = bin.older
}

/** Forgets a bin without cells. */
function drop(bin: Bin): void {
  unlink(bin)
  bins -= 1
  if (last === bin) last = ring
  if (bin.byteLength <= SMALL) small[bin.byteLength] = undefined
  else mapDelete(large, bin.byteLength)
}
