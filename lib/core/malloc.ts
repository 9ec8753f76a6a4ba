import { mustBeVisit, surplus } from '../runtime/mistakes.js'
import { blockLength, type Usage } from '../runtime/validate.js'
import { allocateOrTake, givingUp } from './cache.js'
import { checkOptionalInit, UNINIT, type CheckedInit, type Init } from './init.js'
import { addressOf, createHandle, freeHandle, isNativeBuffer, type NativeBuffer } from './native-buffer.js'
import { checkMallocOptions, type MallocOptions } from './options.js'
import { withOther } from './other.js'
import { allocateCellWith } from './slots.js'

const USAGE: Usage = {
  init: "malloc(count, 1, 'zero')",
  options: 'malloc(count, 1, undefined, { align: 4096 })',
}

/**
 * Allocates `count * size` bytes with C's `malloc`, every page of them resident in physical memory.
 *
 * The block is freed by {@link NativeBuffer.free}, at the end of the scope of a `using` declaration, or
 * when the handle is garbage-collected.
 *
 * @param count - the number of elements, an integer from 1
 * @param size - the size of an element in bytes, an integer from 1; 1 if omitted
 * @param init - what the block is filled with; if omitted, the bytes hold anything
 * @param options - what is special about the block: its alignment, whether it is lazy, whether it is secure
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE` for arguments that make no sense
 * @throws `ERR_CMALLOC_OUT_OF_MEMORY` if the allocator, the machine, its container or the set limit has not that
 * much; no page has been touched then
 * @throws `ERR_CMALLOC_LOCK_LIMIT` if a secure block cannot be locked; `ERR_FEATURE_UNAVAILABLE_ON_PLATFORM` for an
 * option that the system has no way to serve
 *
 * @example
 * ```ts
 * using block = malloc(1024, 8, 'zero')
 * block.view(Float64Array)[0] = Math.PI
 *
 * using key = malloc(32, 1, 'zero', { secure: true })
 * using sectors = malloc(2 ** 20, 1, 'zero', { align: 4096 })
 * ```
 */
export function malloc(count: number, size: number = 1, init?: Init, options?: MallocOptions): NativeBuffer {
  if (arguments.length > 4) throw surplus('malloc(count, size, init, options)', arguments.length)
  const byteLength = blockLength(count, size, USAGE)
  const checked = init === undefined ? UNINIT : checkOptionalInit(init, byteLength, USAGE)
  if (options === undefined) return createHandle(allocateOrTake(byteLength, checked))
  return mallocWith(options, byteLength, checked)
}

function mallocWith(options: MallocOptions, byteLength: number, checked: CheckedInit): NativeBuffer {
  const special = checkMallocOptions(options, checked)
  const cell =
    special === undefined
      ? allocateOrTake(byteLength, checked)
      : givingUp(() => allocateCellWith(special, byteLength, checked))
  return createHandle(cell)
}

/**
 * Frees a buffer's block, as {@link NativeBuffer.free} does. `blocks.forEach(free)` frees them all.
 *
 * @throws `ERR_INVALID_ARG_TYPE`; and as that does: `ERR_CMALLOC_FREED` if it is gone already, `ERR_CMALLOC_PINNED` if a
 * pin holds it
 */
export function free(buffer: NativeBuffer): void
export function free(buffer: NativeBuffer, key?: unknown, collection?: unknown): void {
  if (arguments.length > 1) mustBeVisit('free(buffer)', arguments.length, key, collection)
  if (!isNativeBuffer(buffer)) return withOther(buffer, (other) => other.free())
  freeHandle(buffer)
}

/**
 * The address of a buffer's block. It does not keep the buffer alive.
 *
 * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_FREED`
 */
export function getBufferAddress(buffer: NativeBuffer): bigint
export function getBufferAddress(buffer: NativeBuffer, key?: unknown, collection?: unknown): bigint {
  if (arguments.length > 1) mustBeVisit('getBufferAddress(buffer)', arguments.length, key, collection)
  if (!isNativeBuffer(buffer)) return withOther(buffer, (other) => other.address())
  return addressOf(buffer)
}
