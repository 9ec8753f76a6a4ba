/**
 * Managers of memory: each has a buffer of some allocator, knows its elements, gives views of it, and tells a function
 * before the memory goes.
 *
 * @module cmalloc/mem-manager
 */

export type { AllocatedBuffer, Allocator } from './core/allocator.js'
export type { AddressRef } from './core/consume.js'
export type { Init } from './core/init.js'
export type { ViewConstructor } from './core/view.js'
export { registerAllocator } from './mem-manager/allocators.js'
export { arrayBufferAllocator, type PlainBuffer } from './mem-manager/array-buffer-allocator.js'
export type { Death, DeathStub } from './mem-manager/death.js'
export { MemManager, type ConsumeOptions, type MemManagerOptions } from './mem-manager/mem-manager.js'
export type { ManagedView, ViewOptions } from './mem-manager/view.js'
