/// <reference lib="esnext.disposable" preserve="true" />

import type { Allocator } from '../core/allocator.js'
import { checkOptionalInit, type Init } from '../core/init.js'
import { free, getBufferAddress } from '../core/malloc.js'
import { createHandle, type NativeBuffer } from '../core/native-buffer.js'
import { checkAlign } from '../core/options.js'
import { markSelfFreeing } from '../core/self-freeing.js'
import { givingUp } from '../core/cache.js'
import { allocateCellFrom } from '../core/slots.js'
import { invalidType, invalidValue, outOfRange } from '../runtime/errors.js'
import { INSPECT } from '../runtime/inspect.js'
import { mustBeOptions, mustBeVisit, surplus } from '../runtime/mistakes.js'
import { BlockPool } from '../runtime/native.js'
import { makeAdvice } from '../runtime/no-array.js'
import { isArray, isSafeInteger } from '../runtime/primordials.js'
import { blockLength, positiveInteger, type Usage } from '../runtime/validate.js'
import { watchIdle } from './idle.js'

/** What a pool can be told. */
export interface PoolOptions {
  /** The most bytes that the pool retains, an integer from 1. A block that is longer is not retained. */
  readonly retainBytes: number
  /**
   * The lengths that blocks have, integers from 1. Each request is served with the shortest that is long enough; a
   * longer request gets a block of its own, which is not retained. If omitted: powers of two, and three lengths between
   * each and the next, so that a block holds at most a quarter more than was asked for (at least 64 bytes).
   */
  readonly classes?: readonly number[] | undefined
  /**
   * Zeroes each block as it comes back, so that nobody sees what it held; `resize` copies, and zeroes the old block. What
   * leaves the pool, and copies made with `slice`, are not zeroed. `false` if omitted.
   */
  readonly scrub?: boolean | undefined
  /**
   * What the addresses of its blocks are multiples of, a power of two as for `malloc` of `cmalloc`: 4096 for files that
   * are opened with `O_DIRECT`. If omitted, as C's `malloc` aligns.
   */
  readonly align?: number | undefined
  /** Frees blocks that have been retained for so long, an integer from 1 to 2^31 - 1. If omitted, they stay. */
  readonly idleMilliseconds?: number | undefined
}

/** What a pool did, and what it retains. */
export interface PoolStats {
  /** Requests that were served with a block that was retained. */
  hits: number
  /** Requests that were served with a new block. */
  misses: number
  /** Blocks that are retained: resident, and nobody's. */
  retainedBlocks: number
  /** Their bytes, each block with the whole length of its class. `stats().liveBytes` of `cmalloc` has them too. */
  retainedBytes: number
}

const OPTIONS = [
  'retainBytes',
  'classes',
  'scrub',
  'align',
  'idleMilliseconds',
] as const satisfies (keyof PoolOptions)[]

const USAGE: Usage = {
  init: "pool.malloc(count, 1, 'zero')",
  options: 'new Pool({ retainBytes, align: 4096 }), as all blocks of a pool have the same',
}

const OPTIONS_ARE_ITS = `For options, write ${USAGE.options}`

/** What a timer counts in. */
const LONGEST_TIMER = 2 ** 31 - 1

/**
 * Hands out handles like those of `malloc`, with blocks that earlier ones have left: resident, at the price of a call.
 *
 * A block comes back when it is freed or disposed of, when its handle is garbage-collected, and if its `ArrayBuffer` was
 * transferred away, when that is collected. It leaves the pool for good by `release`, `consume` and `handOver`; it stays
 * in it by `resize`.
 *
 * What is retained counts against the limit of `setMemoryLimit`, and is freed before anything throws
 * `ERR_CMALLOC_OUT_OF_MEMORY`. In the debug mode nothing is retained, so that a use after the end is found. A pool
 * belongs to its thread; dropped, it is collected with what it retains.
 *
 * @example
 * ```ts
 * using pool = new Pool({ retainBytes: 64 * 2 ** 20, scrub: true })
 * for (const request of requests) {
 *   using block = pool.malloc(8 * 2 ** 20)
 *   answer(request, block)
 * }
 * ```
 */
export class Pool implements Allocator<NativeBuffer>, Disposable {
  /** @internal What tells this pool from others where objects are compared or cloned. */
  protected readonly advice: symbol = makeAdvice('a Pool', 'make one in each thread', 'take pool.stats()')
  readonly #pool: BlockPool
  readonly #watch: (() => void) | undefined

  /**
   * @param options - what it may retain, and how
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE` for options that make no sense
   */
  constructor(options: PoolOptions) {
    if (arguments.length > 1) throw surplus('new Pool(options)', arguments.length)
    const { retainBytes, classes, scrub, align, idleMilliseconds } = checkOptions(options)
    this.#pool = new BlockPool(retainBytes, classes, scrub, align)
    markSelfFreeing(this)
    if (idleMilliseconds !== undefined) this.#watch = watchIdle(this.#pool, idleMilliseconds)
  }

  /**
   * A handle of `count * size` bytes, every page of them resident: with a block that is retained, or else a new one.
   *
   * @param count - the number of elements, an integer from 1
   * @param size - the size of an element in bytes, an integer from 1; 1 if omitted
   * @param init - what the block is filled with; if omitted, the bytes hold anything: what the last user left, unless
   * the pool scrubs
   * @throws as `malloc` of `cmalloc` does; `ERR_CMALLOC_FREED` if the pool was disposed
   */
  malloc(count: number, size: number = 1, init?: Init): NativeBuffer {
    if (arguments.length > 3) throw surplus('malloc(count, size, init) of a Pool', arguments.length, OPTIONS_ARE_ITS)
    const byteLength = blockLength(count, size, USAGE)
    const checked = checkOptionalInit(init, byteLength, USAGE)
    const cell = givingUp(() => allocateCellFrom(this.#pool, byteLength, checked))
    this.#watch?.()
    return createHandle(cell)
  }

  /**
   * Frees a buffer, as its own `free()` does: a block of this or another pool goes back there.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_FREED` if it is gone already; `ERR_CMALLOC_PINNED`
   */
  free(buffer: NativeBuffer): void
  free(buffer: NativeBuffer, key?: unknown, collection?: unknown): void {
    if (arguments.length > 1) mustBeVisit('free(buffer)', arguments.length, key, collection)
    free(buffer)
  }

  /**
   * The address of a buffer's block. It does not keep the buffer alive.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_FREED`
   */
  getBufferAddress(buffer: NativeBuffer): bigint
  getBufferAddress(buffer: NativeBuffer, key?: unknown, collection?: unknown): bigint {
    if (arguments.length > 1) mustBeVisit('getBufferAddress(buffer)', arguments.length, key, collection)
    return getBufferAddress(buffer)
  }

  /**
   * Frees retained blocks, those first that have been here for longest, until at most `retainBytes` are left.
   *
   * @param retainBytes - an integer from 0; 0 if omitted
   * @returns how many bytes were freed
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
   */
  trim(retainBytes: number = 0): number {
    if (arguments.length > 1) throw surplus('trim(retainBytes)', arguments.length)
    if (typeof retainBytes !== 'number') throw invalidType('retainBytes', 'a number', retainBytes)
    if (retainBytes < 0 || !isSafeInteger(retainBytes)) {
      throw outOfRange('retainBytes', 'an integer from 0 to 2^53 - 1', retainBytes)
    }
    return this.#pool.trim(retainBytes)
  }

  /** What the pool did, and what it retains. */
  stats(): PoolStats {
    if (arguments.length > 0) throw surplus('stats()', arguments.length)
    return { ...this.#pool.stats() }
  }

  /**
   * Closes the pool: frees what it retains, at once; `malloc` throws from now on. Blocks that are alive stay so, and are
   * freed as they end. Nothing if it is closed already.
   */
  [Symbol.dispose](): void {
    this.#pool.close()
  }

  /** @internal What `console.log` shows. */
  [INSPECT](): string {
    if (!(#pool in this)) return 'Pool {}'
    const { retainedBlocks, retainedBytes } = this.#pool.stats()
    return `Pool { retainedBlocks: ${retainedBlocks}, retainedBytes: ${retainedBytes} }`
  }
}

function checkOptions(options: unknown): PoolOptions & { classes: number[] | undefined } {
  mustBeOptions(options, 'new Pool()', OPTIONS)
  const { retainBytes, classes, scrub, align, idleMilliseconds } = options as Record<keyof PoolOptions, unknown>
  if (scrub !== undefined && typeof scrub !== 'boolean') throw invalidType('options.scrub', 'a boolean', scrub)
  return {
    retainBytes: positiveInteger('options.retainBytes', retainBytes),
    classes: classes === undefined ? undefined : checkClasses(classes),
    scrub,
    align: align === undefined ? undefined : checkAlign(align),
    idleMilliseconds: idleMilliseconds === undefined ? undefined : checkIdle(idleMilliseconds),
  }
}

function checkClasses(classes: unknown): number[] {
  if (!isArray(classes)) throw invalidType('options.classes', 'an array of numbers', classes)
  const lengths: number[] = []
  for (let at = 0; at < classes.length; at++) lengths[at] = positiveInteger(`options.classes[${at}]`, classes[at])
  if (lengths.length === 0) throw invalidValue('options.classes must have at least one length, or be left out')
  return lengths
}

function checkIdle(milliseconds: unknown): number {
  const name = 'options.idleMilliseconds'
  const checked = positiveInteger(name, milliseconds)
  if (checked > LONGEST_TIMER) throw outOfRange(name, 'an integer from 1 to 2^31 - 1', checked)
  return checked
}
