import { invalidType } from '../runtime/errors.js'
import * as native from '../runtime/native.js'
import type { ThreadStats } from '../runtime/native.js'
import { surplus } from '../runtime/mistakes.js'
import { positiveInteger } from '../runtime/validate.js'

export type { ThreadStats } from '../runtime/native.js'

/** What the blocks of the whole process use. Bytes are lengths of blocks, without the allocator's overhead. */
export interface ProcessStats extends Omit<native.ProcessStats, 'memoryLimit' | 'availableBytes'> {
  /** The limit on `liveBytes` that was set, or null. */
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
 * Limits what all live blocks of the process may hold together, or those of this copy of cmalloc if there are two. What
 * exceeds the limit throws `ERR_CMALLOC_OUT_OF_MEMORY`; blocks that exist already stay.
 *
 * @param bytes - an integer from 1, or `null` to lift the limit
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 */
export function setMemoryLimit(bytes: number | null): void {
  if (arguments.length > 1) throw surplus('setMemoryLimit(bytes)', arguments.length)
  if (bytes === undefined) throw invalidType('bytes', 'a number or null', bytes)
  native.setMemoryLimit(bytes === null ? null : positiveInteger('bytes', bytes))
}
