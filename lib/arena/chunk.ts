import { DEBUG } from '../debug.js'
import { fillBytes } from '../fill-bytes.js'
import type { CheckedInit } from '../init.js'
import { malloc } from '../malloc.js'
import type { NativeBuffer } from '../native-buffer.js'
import type { Pinnable } from '../pin.js'
import { Bytes, typedArray } from '../primordials.js'

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
}

/** What C's malloc aligns to at least, whichever it is. */
const MALLOC_ALIGN = 8

/** What the debug mode writes over memory that is gone, as it does over freed blocks. */
const GONE = 0xdf

const { byteLengthOf } = typedArray

/** Stands for the bytes of a chunk that JavaScript cannot have a view of. Not empty, as they are there. */
const NO_VIEW = new Bytes(1)

/** Where nothing fits in. */
export const NO_CHUNK: Chunk = {
  owner: undefined as never,
  handle: undefined as never,
  byteLength: 0,
  address: 0n,
  low: 0,
  bytes: new Bytes(0),
  top: 0,
}

/** A chunk of so many bytes, all of them resident. */
export function openChunk(owner: Pinnable, byteLength: number): Chunk {
  const handle = malloc(byteLength)
  try {
    const { address } = handle
    const bytes = viewIfAny(handle)
    return { owner, handle, byteLength, address, low: Number(address & 0xffff_ffffn) | 0, bytes, top: 0 }
  } catch (error) {
    handle.free()
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

/** Gives up what is behind `top`. */
export function cutBack(chunk: Chunk, top: number): void {
  if (DEBUG && isWhole(chunk) && top < chunk.top) fillChunk(chunk, GONE, top, chunk.top)
  chunk.top = top
}

/** Frees chunks: all of them, also if some turn out to be corrupt, as the debug mode finds. */
export function freeChunks(chunks: readonly Chunk[]): void {
  let failure: { error: unknown } | undefined
  for (const { handle } of chunks) {
    try {
      handle.free()
    } catch (error) {
      failure ??= { error }
    }
  }
  if (failure !== undefined) throw failure.error
}
