import { DEBUG } from '../core/debug.js'
import { fillBytes } from '../core/fill-bytes.js'
import type { CheckedInit } from '../core/init.js'
import { malloc } from '../core/malloc.js'
import type { NativeBuffer } from '../core/native-buffer.js'
import type { Pinnable } from '../core/pin.js'
import { Bytes, max, min, typedArray } from '../runtime/primordials.js'

/** A block that regions are cut from. */
export interface Chunk {
  /** Its arena. */
  readonly owner: Pinnable
  readonly handle: NativeBuffer
  readonly byteLength: number
  readonly address: bigint
  /** The low 32 bits of the address, signed: all that is needed to align. */
  readonly low: number
  /**
   * The whole of it; empty as soon as a program has transferred its `ArrayBuffer` away. {@link NO_VIEW} where the
   * runtime makes none over it.
   */
  bytes: Uint8Array<ArrayBuffer>
  /** How much of it is in use. */
  top: number
  /** Whether a typed array was made of a region in it, since the program last vouched that nobody uses one. */
  viewed: boolean
  /** Where the highest of these regions ends that may still be in use; nothing above is. */
  viewedEnd: number
  /** The next one in the list that it is in. */
  below: Chunk | undefined
}

/** What C's malloc aligns to at least, whichever it is. */
const MALLOC_ALIGN = 8

/** What the debug mode writes over memory that is gone, as it does over freed blocks. */
const GONE = 0xdf

const { byteLengthOf } = typedArray

/** Stands for the bytes of a chunk that JavaScript cannot have a view of. Not empty, as they are there. */
const NO_VIEW = new Bytes(1)

const NO_BYTES = new Bytes(0)

/** Where nothing fits in, and what ends every list. */
export const NO_CHUNK: Chunk = {
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

/** A chunk of so many bytes, all of them resident. */
export function openChunk(owner: Pinnable, byteLength: number): Chunk {
  const handle = malloc(byteLength)
  try {
    const { address } = handle
    const bytes = viewIfAny(handle)
    const low = Number(address & 0xffff_ffffn) | 0
    return { owner, handle, byteLength, address, low, bytes, top: 0, viewed: false, viewedEnd: 0, below: undefined }
  } catch (error) {
    handle.freeNow()
    throw error
  }
}

function viewIfAny(handle: NativeBuffer): Uint8Array<ArrayBuffer> {
  try {
    return handle.bytes
  } catch (error) {
    // Only regions' own `bytes` and `view()` need one.
    if ((error as { code?: unknown }).code === 'ERR_CMALLOC_NO_EXTERNAL_BUFFERS') return NO_VIEW
    throw error
  }
}

/** How long a block must be for a run of so many bytes to fit in, wherever it is. */
export function roomFor(byteLength: number, align: number): number {
  return byteLength + (align > MALLOC_ALIGN ? align - MALLOC_ALIGN : 0)
}

/** Where the next region of a chunk starts, if it is aligned so. */
export function startIn(chunk: Chunk, align: number): number {
  return chunk.top + (-(chunk.low + chunk.top) & (align - 1))
}

/** Whether no program has transferred the bytes away. */
export function isWhole(chunk: Chunk): boolean {
  return byteLengthOf(chunk.bytes) > 0
}

/** The bytes; if they were transferred away and are back, then under another `ArrayBuffer`. */
export function bytesOf(chunk: Chunk): Uint8Array<ArrayBuffer> {
  // Throws if other JavaScript has them, or none can have them.
  if (chunk.bytes === NO_VIEW) return chunk.handle.bytes
  if (!isWhole(chunk)) chunk.bytes = chunk.handle.bytes
  return chunk.bytes
}

/** Fills a part of it: without a native call, if there is a view. `init` is not that which leaves it as it is. */
export function fillChunk(chunk: Chunk, init: CheckedInit, start: number, end: number): void {
  if (chunk.bytes === NO_VIEW) chunk.handle.fill(init, start, end)
  else fillBytes(chunk.bytes, init, start, end)
}

/** Gives up what is behind `top`: all of it; if it may be in use, then only what nobody had a typed array of. */
export function cutBack(chunk: Chunk, top: number, inUse: boolean): void {
  const kept = inUse ? max(top, min(chunk.viewedEnd, chunk.top)) : top
  if (DEBUG && isWhole(chunk) && kept < chunk.top) fillChunk(chunk, GONE, kept, chunk.top)
  chunk.top = kept
  chunk.viewedEnd = min(chunk.viewedEnd, kept)
}

/**
 * Frees chunks that are in no list any more: all of them, also if some turn out to be corrupt, as the debug mode finds.
 * `asks` is whether those with typed arrays ask first if somebody uses them: then these keep the memory.
 */
export function freeChunks(chunks: readonly Chunk[], asks: boolean): void {
  let failure: { error: unknown } | undefined
  for (const chunk of chunks) {
    try {
      // Else a region that is gone, and was not dropped, would keep the memory that is let go.
      chunk.bytes = NO_BYTES
      if (asks && chunk.viewed) chunk.handle.free()
      else chunk.handle.freeNow()
    } catch (error) {
      failure ??= { error }
    }
  }
  if (failure !== undefined) throw failure.error
}
