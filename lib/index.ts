/**
 * C's `malloc` for JavaScript: buffers that are resident the moment you get them, that C code can own,
 * and that cannot be freed twice.
 *
 * @module cmalloc
 */

export type { AllocatedBuffer, Allocator } from './allocator.js'
export { consume, type AddressRef } from './consume.js'
export type { ErrorCode } from './errors.js'
export { handOver, takeOver, type Ticket } from './hand-over.js'
export type { Init } from './init.js'
export { malloc } from './malloc.js'
export { mallocAsync, type MallocAsyncOptions, type Progress } from './malloc-async.js'
export { free, getBufferAddress, NativeBuffer } from './native-buffer.js'
export type { MallocOptions } from './options.js'
export type { Pin } from './pin.js'
export type { NodeStream, PinUntil, WebStream } from './until.js'
export { perThread, setMemoryLimit, stats, type ProcessStats, type ThreadStats } from './stats.js'
export type { ViewConstructor } from './view.js'
