import { weakSetAdd, weakSetHas } from '../runtime/primordials.js'
import type { Allocator } from './allocator.js'
import { free } from './malloc.js'

/** Allocators whose buffers are freed as they are collected. */
const selfFreeing = new WeakSet<object>()

/** Marks an allocator whose buffers are freed as they are collected. */
export function markSelfFreeing(allocator: object): void {
  weakSetAdd(selfFreeing, allocator)
}

/** Whether an allocator's buffers are freed as they are collected, without a call of its `free`. */
export function isSelfFreeing(allocator: Allocator): boolean {
  return allocator.free === (free as Allocator['free']) || weakSetHas(selfFreeing, allocator)
}
