/**
 * C's `malloc` for JavaScript: buffers that are resident the moment you get them, that C code can own,
 * and that cannot be freed twice.
 *
 * @module cmalloc
 */

export type { AllocatedBuffer, Allocator } from './core/allocator.js'
export { consume, type AddressRef } from './core/consume.js'
export type { ErrorCode } from './runtime/errors.js'
export { handOver, takeOver } from './core/hand-over.js'
export type { Init } from './core/init.js'
export { free, getBufferAddress, malloc } from './core/malloc.js'
export { mallocAsync, type MallocAsyncOptions, type Progress } from './core/malloc-async.js'
export { NativeBuffer } from './core/native-buffer.js'
export type { MallocOptions } from './core/options.js'
export type { Pin } from './core/pin.js'
export type { Ticket } from './core/ticket.js'
export type { NodeStream, PinUntil, WebStream } from './core/until.js'
export {
  perThread,
  setCacheLimit,
  setMemoryLimit,
  stats,
  trim,
  type ProcessStats,
  type ThreadStats,
} from './core/stats.js'
export type { ViewConstructor } from './core/view.js'
