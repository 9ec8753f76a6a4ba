import { invalidType, invalidValue, outOfRange } from '../runtime/errors.js'
import { surplus } from '../runtime/mistakes.js'
import { beginConsume, endConsume } from '../runtime/native.js'
import { process } from '../runtime/process.js'
import { isInteger, isSafeInteger } from '../runtime/primordials.js'
import { positiveInteger } from '../runtime/validate.js'
import { givingUp } from './cache.js'
import { takeOver } from './hand-over.js'
import { moveHandle } from './moves.js'
import { createHandle, isNativeBuffer, type NativeBuffer } from './native-buffer.js'
import { ofThisCopy, revealed, withOther } from './other.js'
import { consumeIntoCell } from './slots.js'

/** The owner of a block until it is consumed. Its address is then set to zero, of the same type. */
export interface AddressRef {
  /** The address of the block: an integer over 0, a bigint if it is over 2^53 - 1; zero once it is consumed. */
  address: bigint | number
}

/**
 * Takes over a block that C's `malloc` made, resized to `byteLength` with C's `realloc`. Its contents are kept up to
 * the smaller length, its pages are touched, and the source's address is set to zero, so that its old owner cannot
 * free it. A `NativeBuffer` as source is moved: it is then as if it had been freed.
 *
 * If the block cannot be resized, it is taken over as it is: the handle's `byteLength` is then what the block holds,
 * at most what was asked for, and a process warning has the code `CMALLOC_CONSUME_REALLOC_FAILED`.
 *
 * **Unsafe: the one function with which JavaScript can corrupt memory.** The address must be one that `malloc`,
 * `calloc`, `realloc` or `posix_memalign` of the process's C library returned, and that nobody frees or resizes
 * any more. On Windows a process can have several C runtimes, each with an allocator of its own: only blocks of the
 * runtime that cmalloc is linked to can be consumed.
 *
 * @param source - an object that holds the address, or a `NativeBuffer`
 * @param byteLength - the block's new length in bytes, an integer from 1
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE` for arguments that make no sense, and
 * for a source whose address cannot be set to zero
 * @throws `ERR_CMALLOC_ALREADY_OWNED` for an address inside a block that a handle of any thread owns, of this copy of
 * cmalloc: two copies in one process do not know each other's blocks
 * @throws `ERR_CMALLOC_OUT_OF_MEMORY` if the block would not fit. A call that throws has changed nothing
 * @throws `ERR_CMALLOC_FREED`, `ERR_CMALLOC_PINNED`, `ERR_CMALLOC_ESCAPED` for a `NativeBuffer` whose block is gone, or
 * cannot be moved
 */
export function consume(source: AddressRef | NativeBuffer, byteLength: number): NativeBuffer {
  if (arguments.length > 2) throw surplus('consume(source, byteLength)', arguments.length)
  const length = positiveInteger('byteLength', byteLength)
  const [consumed, resizeFailed] = take(source, length)
  if (resizeFailed) warn(length, consumed.byteLength)
  return consumed
}

/** Takes the block, wherever it is. Returns its handle, and whether it could not be resized. */
function take(source: AddressRef | NativeBuffer, length: number): [consumed: NativeBuffer, resizeFailed: boolean] {
  if (isNativeBuffer(source)) return givingUp(() => moveHandle(source, length))
  if (revealed(source) !== undefined) {
    const { resizeFailed, ...ticket } = withOther(source, (other) => ofThisCopy(other, 'consume').move(length))
    return [takeOver(ticket), resizeFailed]
  }
  if ((typeof source !== 'object' && typeof source !== 'function') || source === null) {
    throw invalidType(
      'source',
      'an object with an address, as in consume({ address }, byteLength), or a NativeBuffer',
      source,
    )
  }
  const { address } = source
  const pointer = checkAddress(address)
  // From here on nobody else can consume the block, whatever the source does as its address is set.
  givingUp(() => beginConsume(pointer, length))
  const restore = zeroAddress(source, address, () => endConsume(pointer))
  // Only a refusal gives the address back: once the block is taken, nobody else may have it.
  const [cell, resizeFailed] = consumeIntoCell(pointer, length, restore)
  return [createHandle(cell), resizeFailed]
}

function checkAddress(address: unknown): bigint {
  const range = 'over 0 and at most 2^64 - 1, and an integer'
  if (typeof address === 'bigint') {
    if (address <= 0n || address >= 1n << 64n) throw outOfRange('source.address', range, address)
    return address
  }
  if (typeof address !== 'number') throw invalidType('source.address', 'a bigint or a number', address)
  if (!isInteger(address) || address <= 0) throw outOfRange('source.address', range, address)
  if (!isSafeInteger(address)) throw outOfRange('source.address', 'a bigint if it is over 2^53 - 1', address)
  return BigInt(address)
}

/** Sets the source's address to zero, and reads it back. Returns what restores it and gives up the claim. */
function zeroAddress(source: AddressRef, address: bigint | number, giveUp: () => void): () => void {
  const zero = typeof address === 'bigint' ? 0n : 0
  const restore = (): void => {
    giveUp()
    try {
      source.address = address
    } catch {
      // It refused the zero as well.
    }
  }
  let zeroed = false
  try {
    source.address = zero
    zeroed = source.address === zero
  } catch {
    // Frozen, or an accessor or a Proxy that refuses.
  }
  if (zeroed) return restore
  restore()
  throw invalidValue(
    'source.address must be writable, so that it can be set to zero as the block is taken: pass an object whose ' +
      'address is a plain property',
  )
}

function warn(asked: number, byteLength: number): void {
  try {
    process.emitWarning(`consume() could not resize the block to ${asked} bytes. It holds ${byteLength} bytes`, {
      code: 'CMALLOC_CONSUME_REALLOC_FAILED',
      detail: 'The C allocator or the system had no memory for it. Look at byteLength before you write.',
    })
  } catch {
    // A program may have replaced emitWarning. The block is taken: the caller must get its handle.
  }
}
