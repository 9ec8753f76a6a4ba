import { DEBUG } from '../core/debug.js'
import { fillBytes } from '../core/fill-bytes.js'
import type { CheckedInit } from '../core/init.js'
import { malloc } from '../core/malloc.js'
import type { NativeBuffer } from '../core/native-buffer.js'
import type { Pinnable } from '../core/pin.js'
import { Bytes } from '../runtime/bytes.js'
import { makeAdvice } from '../runtime/no-array.js'
import { max, min, typedArray } from '../runtime/primordials.js'

/** A block that regions are cut from. */
export interface Chunk {
  /** What its regions are told from others by. */
  readonly advice: symbol
  /** Its arena. */
  readonly owner: Pinnable
  readonly handle: NativeBuffer
  readonly byteLength: number
  readonly address: bigint
  /** The low 32 bits of the address, signed: all that is needed to align. */
  readonly low: number
  /**
   * All bytes of the chunk. Empty if a program has transferred its `ArrayBuffer` away; {@link NO_VIEW} if the runtime
   * makes none over it.
   */
  bytes: Bytes
  /** How much of it is in use. */
  top: number
  /** Whether a region of it was viewed since the program last vouched that nobody uses one. */
  viewed: boolean
  /** The end of the highest viewed region that may still be in use. */
  viewedEnd: number
  /** The next chunk of the list that this one is in. */
  below: Chunk | undefined
}

/** What C's malloc aligns to at least, whichever it is. */
const MALLOC_ALIGN = 8

/** The debug mode fills memory that was given up with this byte, as it does freed blocks. */
const GONE = 0xdf

const { byteLengthOf } = typedArray

/** In place of the bytes of a chunk that JavaScript can have no view of. Not empty: that would mean transferred. */
const NO_VIEW = new Bytes(1)

const NO_BYTES = new Bytes(0)

/** An empty chunk, in which nothing fits. It ends every list. */
export const NO_CHUNK: Chunk = {
  advice: Symbol('none'),
  owner: undefined as never,
  handle: undefined as never,
  byteLength: 0,
  address: 0n,
  low: 0,
  bytes: NO_BYTES,
  top: 0,
  viewed: false,
  viewedEnd: 0,
  below: undefined,
}

/** A new chunk, all of it resident. */
export function openChunk(owner: Pinnable, byteLength: number): Chunk {
  const handle = malloc(byteLength)
  try {
    const { address } = handle
    const bytes = viewIfAny(handle)
    const low = Number(address & 0xffff_ffffn) | 0
    return {
      advice: makeAdvice('a Region', 'copy region.bytes', 'take those'),
      owner,
      handle,
      byteLength,
      address,
      low,
      bytes,
      top: 0,
      viewed: false,
      viewedEnd: 0,
      below: undefined,
    }
  } catch (error) {
    handle.freeNow()
    throw error
  }
}

function viewIfAny(handle: NativeBuffer): Bytes {
  try {
    return handle.bytes
  } catch (error) {
    // Only `bytes` and `view()` of its regions need a view.
    if ((error as { code?: unknown }).code === 'ERR_CMALLOC_NO_EXTERNAL_BUFFERS') return NO_VIEW
    throw error
  }
}

/** How long a block must be so that an aligned region fits in it, whatever its address. */
export function roomFor(byteLength: number, align: number): number {
  return byteLength + (align > MALLOC_ALIGN ? align - MALLOC_ALIGN : 0)
}

/** The offset in a chunk of the next region with this alignment. */
export function startIn(chunk: Chunk, align: number): number {
  return chunk.top + (-(chunk.low + chunk.top) & (align - 1))
}

/** Whether no program has transferred the bytes away. */
export function isWhole(chunk: Chunk): boolean {
  return byteLengthOf(chunk.bytes) > 0
}

/** The bytes of a chunk. If they were transferred away and came back, they have another `ArrayBuffer`. */
export function bytesOf(chunk: Chunk): Bytes {
  // Throws if other JavaScript has them, or none can have them.
  if (chunk.bytes === NO_VIEW) return chunk.handle.bytes
  if (!isWhole(chunk)) chunk.bytes = chunk.handle.bytes
  return chunk.bytes
}

/** Fills a part of a chunk, if there is a view without a native call. `init` must not be `UNINIT`. */
export function fillChunk(chunk: Chunk, init: CheckedInit, start: number, end: number): void {
  if (chunk.bytes === NO_VIEW) chunk.handle.fill(init, start, end)
  else fillBytes(chunk.bytes, init, start, end)
}

/** Gives up the memory behind `top`. If some may be in use, everything up to the last viewed region stays. */
export function cutBack(chunk: Chunk, top: number, inUse: boolean): void {
  const kept = inUse ? max(top, min(chunk.viewedEnd, chunk.top)) : top
  if (DEBUG && isWhole(chunk) && kept < chunk.top) fillChunk(chunk, GONE, kept, chunk.top)
  chunk.top = kept
  chunk.viewedEnd = min(chunk.viewedEnd, kept)
}

/**
 * Frees chunks that are in no list any more. A corrupt one, which the debug mode finds, does not keep the others. With
 * `asks`, a chunk that was viewed is let go if somebody may be using its bytes.
 */
export function freeChunks(chunks: readonly Chunk[], asks: boolean): void {
  let failure: { error: unknown } | undefined
  for (const chunk of chunks) {
    try {
      // Otherwise a freed region that the program still has would keep the memory that is let go.
      chunk.bytes = NO_BYTES
      if (asks && chunk.viewed) chunk.handle.free()
      else chunk.handle.freeNow()
    } catch (error) {
      failure ??= { error }
    }
  }
  if (failure !== undefined) throw failure.error
}
