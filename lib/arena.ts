/**
 * Regions of resident chunks, which are needed together and end together.
 *
 * @module cmalloc/arena
 */

/// <reference lib="esnext.disposable" preserve="true" />

import type { Allocator } from './allocator.js'
import { cutBack, fillChunk, freeChunks, isWhole, NO_CHUNK, openChunk, roomFor, type Chunk } from './arena/chunk.js'
import { addressOf, endRegion, isRegion, makeRegion, placeOf, type Region } from './arena/region.js'
import { makeMark, scopeOf, type Mark, type Scope } from './arena/scope.js'
import { freed, invalidType, invalidValue, outOfRange, pinned } from './errors.js'
import { checkOptionalInit, UNINIT, type Init } from './init.js'
import { disposeWhenUnpinned, isPinned } from './pin.js'
import { isInteger } from './primordials.js'
import { blockLength, mustBeOptions, positiveInteger } from './validate.js'

export type { AllocatedBuffer, Allocator } from './allocator.js'
export { Region } from './arena/region.js'
export { Mark } from './arena/scope.js'

/** What an arena can be told. */
export interface ArenaOptions {
  /** How long each chunk is, in bytes, an integer from 1; 1 MiB if omitted. */
  chunkBytes?: number
  /** What the addresses of its regions are multiples of: a power of two up to 2^30; 16 if omitted. */
  align?: number
}

/** What a region can be told. */
export interface RegionOptions {
  /** What the address of the region is a multiple of: a power of two up to 2^30; that of the arena if omitted. */
  align?: number
}

/** What an arena holds. */
export interface ArenaStats {
  /** How many chunks there are, those of long regions too. */
  chunks: number
  /** How many bytes these have. All of them are resident. */
  chunkBytes: number
  /** How many of them are in use, with what lies between regions. */
  usedBytes: number
}

const [DEFAULT_CHUNK, DEFAULT_ALIGN, MAX_ALIGN] = [2 ** 20, 16, 2 ** 30]

// In variables of this module, which the optimiser knows the values of: an import is looked up at each use.
const [lengthOf, make, AS_IS] = [blockLength, makeRegion, UNINIT]

/**
 * Hands out regions of resident chunks, one behind the other, and takes them back all at once: for what is needed
 * together and ends together. To allocate a region takes no native call.
 *
 * What is longer than a chunk gets one of its own, which is freed with it. The others are kept, resident, until the
 * arena is disposed or collected.
 *
 * @example
 * ```ts
 * using arena = new Arena()
 * const ids = arena.malloc(1000, 4, 'zero').view(Uint32Array)
 * arena.reset()
 * ```
 */
export class Arena implements Allocator<Region>, Disposable {
  readonly #chunkBytes: number
  readonly #align: number
  readonly #chunks: Chunk[] = []
  /** The chunk that regions are cut from, and its number. */
  #current: Chunk = NO_CHUNK
  #at = -1
  /** Those of the marks that can be rewound to, on top of that of the whole arena. */
  readonly #scopes: Scope[] = []
  /** The topmost, which new regions belong to. */
  #scope: Scope
  #freed = false

  /**
   * An arena without chunks: the first is allocated with the first region.
   *
   * @param options - how long its chunks are, and how its regions are aligned
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` for options that make no sense
   */
  constructor(options: ArenaOptions = {}) {
    mustBeOptions(options)
    const { chunkBytes = DEFAULT_CHUNK, align = DEFAULT_ALIGN } = options
    this.#chunkBytes = positiveInteger('options.chunkBytes', chunkBytes)
    this.#align = checkAlign(align)
    this.#scope = this.#openScope()
  }

  /** Whether the arena was disposed. */
  get freed(): boolean {
    return this.#freed
  }

  /** Whether a region of it is pinned. */
  get pinned(): boolean {
    return isPinned(this)
  }

  /**
   * A region of `count * size` bytes.
   *
   * @param count - the number of elements, an integer from 1
   * @param size - the size of an element in bytes, an integer from 1; 1 if omitted
   * @param init - what the region is filled with; if omitted, the bytes hold anything: what earlier regions left
   * @param options - how its address is aligned
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE` for arguments that make no sense
   * @throws `ERR_CMALLOC_OUT_OF_MEMORY` if there is none for another chunk; `ERR_CMALLOC_FREED` if the arena is disposed
   */
  malloc(count: number, size: number = 1, init?: Init, options?: RegionOptions): Region {
    const byteLength = lengthOf(count, size)
    const checked = init === undefined ? AS_IS : checkOptionalInit(init, byteLength)
    const align = options === undefined ? this.#align : alignOf(options, this.#align)
    let chunk = this.#current
    let start = chunk.top + (-(chunk.low + chunk.top) & (align - 1))
    // A chunk whose bytes a program has transferred away is full.
    if (start + byteLength > chunk.byteLength || chunk.bytes.length === 0) {
      chunk = this.#chunkFor(byteLength, align)
      start = chunk.top + (-(chunk.low + chunk.top) & (align - 1))
    }
    chunk.top = start + byteLength
    if (checked !== AS_IS) fillChunk(chunk, checked, start, chunk.top)
    return make(chunk, this.#scope, start, byteLength)
  }

  /**
   * Ends one region before the others. Its memory is used again if it was the last one, or has a chunk of its own;
   * else as the arena is reset or rewound.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_FREED` if it is gone; `ERR_CMALLOC_PINNED`
   * @throws `ERR_INVALID_ARG_VALUE` if it is another arena's
   */
  free(region: Region): void {
    if (!isRegion(region)) throw invalidType('region', 'a Region', region)
    const { chunk, scope, start, end } = placeOf(region, 'free')
    if (chunk.owner !== this) throw invalidValue('region must be one of this arena. Free it by its own')
    this.#mustBeUnpinned('free')
    endRegion(region)
    if (scope.long.delete(chunk)) chunk.handle.free()
    else if (end === chunk.top) cutBack(chunk, start)
  }

  /**
   * The address of a region, for as long as it lives. It does not keep the region alive.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_FREED`
   */
  getBufferAddress(region: Region): bigint {
    if (!isRegion(region)) throw invalidType('region', 'a Region', region)
    return addressOf(region)
  }

  /**
   * Marks this moment, for {@link rewind}. `using mark = arena.mark()` rewinds at the end of the scope. Marks nest: to
   * rewind to one ends those after it.
   *
   * @throws `ERR_CMALLOC_FREED`
   */
  mark(): Mark {
    this.#mustBeAlive('mark')
    this.#scope = this.#openScope()
    return makeMark(this.#scope, (mark) => this.rewind(mark))
  }

  /**
   * Ends every region that was allocated since a mark. The mark can be used again.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_PINNED`; `ERR_CMALLOC_FREED` if the arena is disposed
   * @throws `ERR_INVALID_ARG_VALUE` if it is another arena's, or the arena was reset or rewound to an earlier one
   */
  rewind(mark: Mark): void {
    const scope = scopeOf(mark)
    this.#mustBeAlive('rewind')
    if (this.#scopes[scope.depth] !== scope) {
      throw invalidValue('mark must be one of this arena, which was not reset or rewound to an earlier mark since')
    }
    this.#mustBeUnpinned('rewind')
    freeChunks(this.#endScopes(scope.depth))
  }

  /**
   * Ends every region. The chunks are kept.
   *
   * @throws `ERR_CMALLOC_PINNED`; `ERR_CMALLOC_FREED` if the arena is disposed
   */
  reset(): void {
    this.#mustBeAlive('reset')
    this.#mustBeUnpinned('reset')
    freeChunks(this.#endScopes(0))
  }

  /** What the arena holds. */
  stats(): ArenaStats {
    const all = [...this.#chunks]
    for (const { long } of this.#scopes) all.push(...long)
    let [chunkBytes, usedBytes] = [0, 0]
    for (const { byteLength, top } of all) {
      chunkBytes += byteLength
      usedBytes += top
    }
    return { chunks: all.length, chunkBytes, usedBytes }
  }

  /**
   * Ends every region, and frees the chunks; nothing if that was done before. If a region is pinned, that is done with
   * the last pin.
   */
  [Symbol.dispose](): void {
    if (this.#freed) return
    if (isPinned(this)) return disposeWhenUnpinned(this)
    this.#freed = true
    const ended = this.#endScopes(0)
    this.#scope.depth = -1
    freeChunks([...ended, ...this.#chunks.splice(0)])
  }

  /** A chunk with room for a region that the current one has no room for. */
  #chunkFor(byteLength: number, align: number): Chunk {
    this.#mustBeAlive('allocate')
    const room = roomFor(byteLength, align)
    if (room > this.#chunkBytes) {
      const chunk = openChunk(this, room)
      this.#scope.long.add(chunk)
      return chunk
    }
    const at = this.#at + 1
    let chunk = this.#chunks[at]
    if (chunk === undefined || !isWhole(chunk)) {
      const lost = chunk
      chunk = openChunk(this, this.#chunkBytes)
      this.#chunks[at] = chunk
      // Whoever has its bytes keeps them.
      lost?.handle.free()
    }
    this.#at = at
    this.#current = chunk
    return chunk
  }

  #openScope(): Scope {
    const scope = {
      generation: 0,
      depth: this.#scopes.length,
      at: this.#at,
      top: this.#current.top,
      long: new Set<Chunk>(),
    }
    this.#scopes.push(scope)
    return scope
  }

  /** Ends the regions of a scope and of those above it, and these themselves. Returns the long regions' chunks. */
  #endScopes(depth: number): Chunk[] {
    const ended: Chunk[] = []
    for (const scope of this.#scopes.splice(depth + 1)) {
      endRegions(scope, ended)
      scope.depth = -1
    }
    const scope = this.#scopes[depth]!
    endRegions(scope, ended)
    this.#scope = scope
    for (const chunk of this.#chunks.slice(scope.at + 1)) cutBack(chunk, 0)
    this.#at = scope.at
    this.#current = this.#chunks[scope.at] ?? NO_CHUNK
    if (this.#current !== NO_CHUNK) cutBack(this.#current, scope.top)
    return ended
  }

  #mustBeAlive(operation: string): void {
    if (this.#freed) throw freed(operation, 'this arena was disposed. Make a new one')
  }

  #mustBeUnpinned(operation: string): void {
    if (!isPinned(this)) return
    throw pinned(
      operation,
      'a region of this arena is pinned, as C code or I/O may be using it. Dispose its pins first',
    )
  }
}

function endRegions(scope: Scope, ended: Chunk[]): void {
  scope.generation += 1
  ended.push(...scope.long)
  scope.long.clear()
}

function alignOf(options: unknown, fallback: number): number {
  mustBeOptions(options)
  const { align } = options as RegionOptions
  return align === undefined ? fallback : checkAlign(align)
}

function checkAlign(align: unknown): number {
  if (typeof align !== 'number') throw invalidType('options.align', 'a number', align)
  // The bits of a power of two and of what is below it have none in common.
  if (!isInteger(align) || align < 1 || align > MAX_ALIGN || (align & (align - 1)) !== 0) {
    throw outOfRange('options.align', 'a power of two up to 2^30', align)
  }
  return align
}
