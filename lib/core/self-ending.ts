import { weakSetAdd, weakSetHas } from '../runtime/primordials.js'
import type { Allocator } from './allocator.js'
import { free } from './malloc.js'

/** Allocators whose buffers are freed as they are collected. */
const selfEnding = new WeakSet<object>()

/** Says that an allocator's buffers are freed as they are collected, whoever has made them. */
export function noteSelfEnding(allocator: object): void {
  weakSetAdd(selfEnding, allocator)
}

/** Whether the buffers of an allocator need nobody who calls its `free` once they are dropped. */
export function endByThemselves(allocator: Allocator): boolean {
  return allocator.free === (free as Allocator['free']) || weakSetHas(selfEnding, allocator)
}
