import { invalidType } from './errors.js'
import * as native from './native.js'
import { positiveInteger } from './validate.js'
import type { ProcessStats, ThreadStats } from './native.js'

export type { ProcessStats, ThreadStats } from './native.js'

/** What the blocks of the whole process use. Bytes are lengths of blocks, without the allocator's overhead. */
export function stats(): ProcessStats {
  const counts = native.stats()
  return { ...counts, memoryLimit: counts.memoryLimit ?? null, availableBytes: counts.availableBytes ?? null } as never
}

/** What the handles of the calling thread did. */
export function perThread(): ThreadStats {
  return native.perThread()
}

/**
 * Limits what all live blocks of the process may hold together. What exceeds the limit throws
 * `ERR_CMALLOC_OUT_OF_MEMORY`; blocks that exist already stay.
 *
 * @param bytes - an integer from 1, or `null` to lift the limit
 */
export function setMemoryLimit(bytes: number | null): void {
  if (bytes === undefined) throw invalidType('bytes', 'a number or null', bytes)
  native.setMemoryLimit(bytes === null ? null : positiveInteger('bytes', bytes))
}
