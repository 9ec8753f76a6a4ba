import { invalidType } from '../runtime/errors.js'
import * as native from '../runtime/native.js'
import type { ThreadStats } from '../runtime/native.js'
import { surplus } from '../runtime/mistakes.js'
import { index, positiveInteger } from '../runtime/validate.js'
import { giveUp, limitCache } from './cache.js'

export type { ThreadStats } from '../runtime/native.js'

/** What the blocks of the whole process use. Bytes are lengths of blocks, without the allocator's overhead. */
export interface ProcessStats extends Omit<native.ProcessStats, 'memoryLimit' | 'availableBytes'> {
  /** The limit on `liveBytes` and `cachedBytes` together that was set, or null. */
  memoryLimit: number | null
  /** What can still be made resident on this machine and in its container; null where the system does not tell. */
  availableBytes: number | null
}

/**
 * What the blocks of the whole process use; if it has loaded two copies of cmalloc, those of this copy. To look up
 * `availableBytes` takes some 50 µs.
 */
export function stats(): ProcessStats {
  if (arguments.length > 0) throw surplus('stats()', arguments.length)
  const counts = native.stats()
  return { ...counts, memoryLimit: counts.memoryLimit ?? null, availableBytes: counts.availableBytes ?? null }
}

/** What the handles of the calling thread did. */
export function perThread(): ThreadStats {
  if (arguments.length > 0) throw surplus('perThread()', arguments.length)
  return { ...native.perThread() }
}

/**
 * Limits what all live blocks of the process may hold together, with those that are kept for the next `malloc`; or those of
 * this copy of cmalloc if there are two. What exceeds the limit throws `ERR_CMALLOC_OUT_OF_MEMORY`; blocks that exist already
 * stay.
 *
 * @param bytes - an integer from 1, or `null` to lift the limit
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 */
export function setMemoryLimit(bytes: number | null): void {
  if (arguments.length > 1) throw surplus('setMemoryLimit(bytes)', arguments.length)
  if (bytes === undefined) throw invalidType('bytes', 'a number or null', bytes)
  const limit = bytes === null ? null : positiveInteger('bytes', bytes)
  giveUp()
  native.setMemoryLimit(limit)
}

/**
 * Limits how many bytes of freed blocks the calling thread may keep for its next `malloc`. Unless it is called, these are 4
 * MiB. The oldest blocks are given back to C as others need their place, and all of them before a request is refused for want
 * of memory. Blocks of more than 1 MiB are never kept, nor any in the debug mode.
 *
 * @param bytes - an integer from 0, which keeps none
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 */
export function setCacheLimit(bytes: number): void {
  if (arguments.length > 1) throw surplus('setCacheLimit(bytes)', arguments.length)
  if (bytes === undefined) throw invalidType('bytes', 'a number', bytes)
  limitCache(index('bytes', bytes, 0, Number.MAX_SAFE_INTEGER))
}

/**
 * Gives freed blocks that are kept for the next `malloc` back to C, and the C allocator's free pages to the system, as far as
 * it can be asked: glibc, jemalloc, mimalloc and tcmalloc on Linux. Other threads give their blocks back at their next `malloc`
 * or `free`.
 *
 * @returns how many bytes the calling thread had kept
 */
export function trim(): number {
  if (arguments.length > 0) throw surplus('trim()', arguments.length)
  const bytes = giveUp()
  native.trim()
  return bytes
}
