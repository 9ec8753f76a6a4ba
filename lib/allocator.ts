import type { AddressRef } from './consume.js'
import type { Init } from './init.js'

/** What an allocator hands out. It may have more to it, as `NativeBuffer` does. */
export interface AllocatedBuffer {
  /** The length in bytes, as it was asked for. */
  readonly byteLength: number
  /** The bytes themselves, not a copy of them. */
  readonly bytes: Uint8Array
}

/**
 * What hands out memory to others that build on it: the module `cmalloc` itself, an `Arena`, a `Pool`, or anybody's.
 * `cmalloc/conformance` checks whether one keeps to the rules.
 */
export interface Allocator<B extends AllocatedBuffer = AllocatedBuffer> {
  /**
   * `count * size` bytes that overlap nothing else that is alive, filled with `init`, or holding anything if that is
   * left out.
   */
  malloc(count: number, size?: number, init?: Init): B
  /** Ends a buffer. Whoever uses it afterwards gets an error, a second `free` too. */
  free(buffer: B): void
  /** Where the first of the bytes is. It stays the same until the buffer is freed. */
  getBufferAddress(buffer: B): bigint
  /** Takes over a block that C's `malloc` made, and sets the source's address to zero. */
  consume?(source: AddressRef, byteLength: number): B
}
