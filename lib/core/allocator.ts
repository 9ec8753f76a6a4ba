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
   * left out. Throws a `TypeError` or a `RangeError` for arguments that make no sense.
   *
   * @param count - the number of elements, an integer from 1
   * @param size - the size of an element in bytes, an integer from 1; 1 if omitted
   * @param init - what the bytes are filled with
   */
  malloc(count: number, size?: number, init?: Init): B
  /** Ends a buffer. Whoever uses it afterwards gets an error, a second `free` too. */
  free(buffer: B): void
  /** Where the first of the bytes is. It stays the same until the buffer is freed. */
  getBufferAddress(buffer: B): bigint
  /**
   * Takes over a block that C's `malloc` made, resized to `byteLength` bytes, and sets the source's address to zero.
   *
   * Unsafe as `consume` of `cmalloc` is.
   */
  consume?(source: AddressRef, byteLength: number): B
}
