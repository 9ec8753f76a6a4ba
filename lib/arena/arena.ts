/// <reference lib="esnext.disposable" preserve="true" />

import type { Allocator } from '../core/allocator.js'
import { callStack, DEBUG, withOrigin } from '../core/debug.js'
import { checkOptionalInit, UNINIT, type Init } from '../core/init.js'
import { disposeWhenUnpinned, isPinned } from '../core/pin.js'
import { freed, invalidType, invalidValue, markNotLast, outOfRange, pinned } from '../runtime/errors.js'
import { INSPECT } from '../runtime/inspect.js'
import { mustBeOptions, mustBeVisit, surplus } from '../runtime/mistakes.js'
import { mayBeInUse } from '../runtime/native.js'
import { makeAdvice } from '../runtime/no-array.js'
import { isInteger } from '../runtime/primordials.js'
import { blockLength, positiveInteger, type Usage } from '../runtime/validate.js'
import { cutBack, fillChunk, freeChunks, openChunk, roomFor, startIn, type Chunk } from './chunk.js'
import { Chunks } from './chunks.js'
import { addressOf, endRegion, isRegion, makeRegion, placeOf, type Region } from './region.js'
import { isMark, isOpen, makeMark, makeScope, scopeOf, wholeScope, type Mark, type Scope } from './scope.js'

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

const USAGE: Usage = {
  init: "arena.malloc(count, 1, 'zero')",
  options: 'arena.malloc(count, 1, undefined, { align: 64 })',
}

const ARENA_OPTIONS = ['chunkBytes', 'align'] as const satisfies (keyof ArenaOptions)[]
const REGION_OPTIONS = ['align'] as const satisfies (keyof RegionOptions)[]

const [DEFAULT_CHUNK, DEFAULT_ALIGN, MAX_ALIGN] = [2 ** 20, 16, 2 ** 30]

/**
 * Hands out regions of resident chunks, one behind the other, and takes them back all at once: for memory that is needed
 * together and ends together. To allocate a region takes no native call.
 *
 * A region that is longer than a chunk gets a chunk of its own, which is freed with it. The others are kept, resident,
 * until the arena is disposed or collected.
 *
 * An arena has one user at a time. A server needs one for each request in flight: a request that waits while others run
 * must not find its regions ended by theirs.
 *
 * Memory is handed out again only if nobody can be using it. Where a typed array was made of a region that ends, and
 * the event loop has a request in flight or an open network handle, I/O may still be using those bytes. The arena
 * then does without this memory, until it asks again and nobody can be using it, or it lets a whole chunk of it go.
 *
 * @example
 * ```ts
 * using arena = new Arena()
 * const ids = arena.malloc(1000, 4, 'zero').view(Uint32Array)
 * arena.reset()
 * ```
 */
export class Arena implements Allocator<Region>, Disposable {
  /** @internal What tells this arena from others where objects are compared or cloned. */
  protected readonly advice: symbol = makeAdvice('an Arena', 'make one in each thread', 'take arena.stats()')
  readonly #chunkBytes: number
  readonly #align: number
  readonly #chunks = new Chunks()
  readonly #whole: Scope = wholeScope()
  /** The scope of new regions: that of the newest open mark, or of the whole arena. */
  #scope: Scope = this.#whole
  /** How many marks there were. */
  #marks = 0
  #freed = false

  /**
   * An arena without chunks: the first is allocated with the first region.
   *
   * @param options - how long its chunks are, and how its regions are aligned
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` for options that make no sense
   */
  constructor(options: ArenaOptions = {}) {
    if (arguments.length > 1) throw surplus('new Arena(options)', arguments.length)
    mustBeOptions(options, 'new Arena()', ARENA_OPTIONS)
    const { chunkBytes = DEFAULT_CHUNK, align = DEFAULT_ALIGN } = options
    this.#chunkBytes = positiveInteger('options.chunkBytes', chunkBytes)
    this.#align = checkAlign(align)
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
    if (arguments.length > 4) throw surplus('malloc(count, size, init, options)', arguments.length)
    const byteLength = blockLength(count, size, USAGE)
    const checked = init === undefined ? UNINIT : checkOptionalInit(init, byteLength, USAGE)
    const align = options === undefined ? this.#align : alignOf(options, this.#align)
    let chunk = this.#chunks.current
    let start = startIn(chunk, align)
    // A chunk whose bytes a program has transferred away is full.
    if (start + byteLength > chunk.byteLength || chunk.bytes.length === 0) {
      chunk = this.#chunkFor(byteLength, align)
      start = startIn(chunk, align)
    }
    chunk.top = start + byteLength
    if (checked !== UNINIT) fillChunk(chunk, checked, start, chunk.top)
    return makeRegion(chunk, this.#scope, start, byteLength)
  }

  /**
   * Ends one region before the others. Its memory is used again if it was the last one, or has a chunk of its own;
   * else as the arena is reset or rewound.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_FREED` if it is gone; `ERR_CMALLOC_PINNED`
   * @throws `ERR_INVALID_ARG_VALUE` if it is another arena's
   */
  free(region: Region): void
  free(region: Region, key?: unknown, collection?: unknown): void {
    if (arguments.length > 1) mustBeVisit('free(region)', arguments.length, key, collection)
    if (!isRegion(region)) throw invalidType('region', 'a Region', region, 'The arena ends by arena[Symbol.dispose]()')
    const { chunk, scope, start, end } = placeOf(region, 'free')
    if (chunk.owner !== this) throw invalidValue('region must be one of this arena. Free it by its own')
    this.#mustBeUnpinned('free')
    endRegion(region)
    if (scope.long?.delete(chunk)) freeChunks([chunk], true)
    else if (end === chunk.top) cutBack(chunk, start, chunk.viewedEnd > start && mayBeInUse())
  }

  /**
   * The address of a region, for as long as it lives. It does not keep the region alive.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_FREED`
   */
  getBufferAddress(region: Region): bigint
  getBufferAddress(region: Region, key?: unknown, collection?: unknown): bigint {
    if (arguments.length > 1) mustBeVisit('getBufferAddress(region)', arguments.length, key, collection)
    if (!isRegion(region)) throw invalidType('region', 'a Region', region)
    return addressOf(region)
  }

  /**
   * Marks this moment, for {@link rewind}. `using mark = arena.mark()` ends at the end of the scope what was allocated
   * in it. Marks nest: while a mark is open that was made later, this one can be neither disposed nor rewound to.
   *
   * @throws `ERR_CMALLOC_FREED`
   */
  mark(): Mark {
    if (arguments.length > 0) throw surplus('mark()', arguments.length)
    this.#mustBeAlive('mark')
    // First: a program's own `Error.prepareStackTrace` may use this arena.
    const stack = DEBUG ? callStack() : undefined
    this.#marks += 1
    const scope = makeScope(this.#marks, this.#scope, this.#chunks.current, stack)
    const mark = makeMark(scope, this.#close)
    // Last: a scope without a mark could not be ended.
    this.#scope = scope
    return mark
  }

  /**
   * Ends every region that was allocated since a mark. The mark stays open, and can be used again.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_PINNED`; `ERR_CMALLOC_FREED` if the arena is disposed
   * @throws `ERR_INVALID_ARG_VALUE` if it is another arena's, or was disposed, or the arena was reset since
   * @throws `ERR_INVALID_STATE` if a mark is open that was made later: mostly two users share the arena then
   */
  rewind(mark: Mark): void {
    if (arguments.length > 1) throw surplus('rewind(mark)', arguments.length)
    this.#rewind(mark, true)
  }

  /**
   * As {@link rewind}, but does not ask whether anybody uses the bytes. To call it is to vouch that nobody does: that
   * all I/O on regions since the mark, also on those that were ended before, was awaited. Else it writes to, or sends,
   * what other regions hold.
   *
   * @throws as {@link rewind} does
   */
  rewindNow(mark: Mark): void {
    if (arguments.length > 1) throw surplus('rewindNow(mark)', arguments.length)
    this.#rewind(mark, false)
  }

  /**
   * Ends every region and every mark. The chunks are kept.
   *
   * @throws `ERR_CMALLOC_PINNED`; `ERR_CMALLOC_FREED` if the arena is disposed
   */
  reset(): void
  reset(mark?: unknown): void {
    mustBeNoMark(mark, 'reset')
    this.#reset(true)
  }

  /**
   * As {@link reset}, but does not ask whether anybody uses the bytes. To call it is to vouch that nobody does: that
   * all I/O on regions of this arena, also on those that were ended before, was awaited. Else it writes to, or sends,
   * what other regions hold. It is for a server that has an arena for each request, whose response was sent.
   *
   * @throws as {@link reset} does
   */
  resetNow(): void
  resetNow(mark?: unknown): void {
    mustBeNoMark(mark, 'resetNow')
    this.#reset(false)
    this.#chunks.forgetViews()
  }

  /** What the arena holds. */
  stats(): ArenaStats {
    if (arguments.length > 0) throw surplus('stats()', arguments.length)
    const all = this.#chunks.list()
    for (let scope: Scope | undefined = this.#scope; scope !== undefined; scope = scope.below) {
      if (scope.long !== undefined) all.push(...scope.long)
    }
    let [chunkBytes, usedBytes] = [0, 0]
    for (const { byteLength, top } of all) {
      chunkBytes += byteLength
      usedBytes += top
    }
    return { chunks: all.length, chunkBytes, usedBytes }
  }

  /**
   * Ends every region, and frees the chunks; nothing if that was done before. If a region is pinned, that is done with
   * the last pin. A chunk whose bytes may be in use is left to whoever uses them.
   */
  [Symbol.dispose](): void {
    if (this.#freed) return
    if (isPinned(this)) return disposeWhenUnpinned(this)
    const ended = this.#end(this.#whole, this.#whole, true)
    ended.push(...this.#chunks.takeAll())
    this.#freed = true
    freeChunks(ended, true)
  }

  /** @internal What `console.log` shows. */
  [INSPECT](): string {
    if (!(#freed in this)) return 'Arena {}'
    if (this.#freed) return 'Arena { freed: true }'
    return `Arena { chunkBytes: ${this.#chunkBytes}, align: ${this.#align} }`
  }

  #rewind(mark: Mark, asks: boolean): void {
    const scope = scopeOf(mark)
    this.#mustBeAlive('rewind')
    if (!isOpen(scope, this.#scope)) {
      throw invalidValue('mark must be an open one of this arena: not disposed, and made since the arena was reset')
    }
    this.#mustBeLast('rewind to', scope)
    this.#mustBeUnpinned('rewind')
    freeChunks(this.#end(scope, scope, asks), asks)
  }

  /** What a mark calls when it is disposed. */
  readonly #close = (scope: Scope): void => {
    if (!isOpen(scope, this.#scope)) return
    this.#mustBeLast('dispose', scope)
    this.#mustBeUnpinned('rewind')
    freeChunks(this.#end(scope, scope.below!, true), true)
  }

  #reset(asks: boolean): void {
    this.#mustBeAlive('reset')
    this.#mustBeUnpinned('reset')
    freeChunks(this.#end(this.#whole, this.#whole, asks), asks)
  }

  /** A chunk for a region that does not fit in the current one. */
  #chunkFor(byteLength: number, align: number): Chunk {
    this.#mustBeAlive('allocate')
    const room = roomFor(byteLength, align)
    if (room <= this.#chunkBytes) return this.#chunks.push(this, this.#chunkBytes, byteLength, align)
    const chunk = openChunk(this, room)
    const scope = this.#scope
    scope.long ??= new Set()
    scope.long.add(chunk)
    return chunk
  }

  /**
   * Ends the regions of a scope and of those above it, and the scopes above `left`, which is this scope or the one
   * below. Returns the chunks that are to be freed.
   *
   * JavaScript can be stopped between any two of these statements, by a timeout of `vm` or an overflow of the stack.
   * Therefore the regions end first, and their memory is given up last.
   */
  #end(scope: Scope, left: Scope, asks: boolean): Chunk[] {
    const ended: Chunk[] = []
    let viewed = false
    for (let open = this.#scope; ; open = open.below!) {
      open.generation += 1
      viewed ||= open.viewed
      const { long } = open
      open.long = undefined
      if (long !== undefined) ended.push(...long)
      if (open === scope) break
    }
    const asked = asks && (viewed || this.#chunks.held)
    const inUse = asked && mayBeInUse()
    // When that scope ends, it is asked again whether the memory is in use.
    if (inUse) left.viewed = true
    this.#scope = left
    this.#chunks.cutBackTo(scope.chunk, scope.top, inUse, ended)
    if (inUse) return ended
    if (left === scope) left.viewed = false
    if (asked) this.#chunks.reuseHeld()
    return ended
  }

  #mustBeAlive(operation: string): void {
    if (this.#freed) throw freed(operation, 'this arena was disposed. Make a new one')
  }

  #mustBeLast(operation: string, { number }: Scope): void {
    const last = this.#scope
    if (last.number === number) return
    const error = markNotLast(operation, number, last.number)
    throw last.stack === undefined ? error : withOrigin(error, `Mark ${last.number} was made here`, last.stack)
  }

  #mustBeUnpinned(operation: string): void {
    if (!isPinned(this)) return
    throw pinned(
      operation,
      'a region of this arena is pinned, as C code or I/O may be using it. Call unpin() of its pins first',
    )
  }
}

/** A reset may be the listener of an event, which passes something. To be given a mark is a mistake. */
function mustBeNoMark(mark: unknown, operation: 'reset' | 'resetNow'): void {
  if (mark === undefined || !isMark(mark)) return
  const rewind = operation === 'reset' ? 'rewind' : 'rewindNow'
  throw invalidValue(`${operation}() ends every region of the arena. To end those since a mark, write ${rewind}(mark)`)
}

function alignOf(options: unknown, fallback: number): number {
  mustBeOptions(options, 'malloc() of an Arena', REGION_OPTIONS)
  const { align } = options as RegionOptions
  return align === undefined ? fallback : checkAlign(align)
}

function checkAlign(align: unknown): number {
  if (typeof align !== 'number') throw invalidType('options.align', 'a number', align)
  // A power of two has no bit in common with the number below it.
  if (!isInteger(align) || align < 1 || align > MAX_ALIGN || (align & (align - 1)) !== 0) {
    throw outOfRange('options.align', 'a power of two up to 2^30', align)
  }
  return align
}
