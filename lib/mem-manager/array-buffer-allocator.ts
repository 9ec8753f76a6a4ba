import type { AllocatedBuffer, Allocator } from '../core/allocator.js'
import { fillBytes } from '../core/fill-bytes.js'
import { checkOptionalInit, type Init } from '../core/init.js'
import { markSelfFreeing } from '../core/self-freeing.js'
import { stats } from '../core/stats.js'
import { Bytes } from '../runtime/bytes.js'
import { escaped, freedBefore, illegalConstructor, invalidType, outOfMemory } from '../runtime/errors.js'
import { mustBeVisit, surplus } from '../runtime/mistakes.js'
import { addressOfArrayBuffer } from '../runtime/native.js'
import { makeAdvice, refuseAsArray, rightOf } from '../runtime/no-array.js'
import { arrayBufferByteLength, detach, freeze, PlainArrayBuffer, typedArray } from '../runtime/primordials.js'
import { blockLength, type Usage } from '../runtime/validate.js'

/** Only this file has it, so that nobody else makes buffers. */
const KEY = Symbol('cmalloc')

/** From so many bytes on, the system is asked before whether it has them: that takes some 50 µs. */
const LARGE = 16 * 2 ** 20

const WHAT = 'PlainBuffer'

const USAGE: Usage = {
  init: "arrayBufferAllocator.malloc(count, 1, 'zero')",
  options: 'malloc(count, 1, undefined, { align: 4096 }) of cmalloc, as an ArrayBuffer has none',
}

let create: (bytes: Bytes) => PlainBuffer
let isPlainBuffer: (value: unknown) => value is PlainBuffer
let addressOf: (buffer: PlainBuffer) => bigint
let end: (buffer: PlainBuffer) => void

/** What {@link arrayBufferAllocator} hands out: an `ArrayBuffer` that has an end. */
export class PlainBuffer implements AllocatedBuffer {
  /** @internal What tells this buffer from others where objects are compared or cloned. */
  protected readonly advice: symbol = makeAdvice('a PlainBuffer', 'post buffer.bytes', 'take those')
  #bytes: Bytes | undefined

  /** @internal */
  private constructor(key: symbol, bytes: Bytes) {
    if (key !== KEY) throw illegalConstructor('A PlainBuffer', 'arrayBufferAllocator.malloc()')
    this.#bytes = bytes
  }

  static {
    create = (bytes) => new PlainBuffer(KEY, bytes)
    isPlainBuffer = (value): value is PlainBuffer => typeof value === 'object' && value !== null && #bytes in value
    addressOf = (buffer) => addressOfArrayBuffer(typedArray.bufferOf(buffer.#use('get the address')) as ArrayBuffer)
    end = (buffer) => {
      const bytes = buffer.#bytes
      if (bytes === undefined) throw freedBefore('free', WHAT)
      buffer.#bytes = undefined
      try {
        detach(typedArray.bufferOf(bytes) as ArrayBuffer)
      } catch {
        // Somebody detached it before, or it was marked as untransferable: the bytes are left to who has them.
      }
    }
  }

  /** The length in bytes; 0 once it is freed. */
  get byteLength(): number {
    return this.#bytes === undefined ? 0 : typedArray.byteLengthOf(this.#bytes)
  }

  /** Whether it was freed. */
  get freed(): boolean {
    return this.#bytes === undefined
  }

  /**
   * The bytes: the whole of the `ArrayBuffer`.
   *
   * @throws `ERR_CMALLOC_FREED`; `ERR_CMALLOC_ESCAPED` if the `ArrayBuffer` was transferred away
   */
  get bytes(): Bytes {
    return this.#use('get the bytes')
  }

  #use(operation: string): Bytes {
    const bytes = this.#bytes
    if (bytes === undefined) throw freedBefore(operation, WHAT)
    if (arrayBufferByteLength(typedArray.bufferOf(bytes)) === 0) throw escaped(operation)
    return bytes
  }
}

refuseAsArray(PlainBuffer, WHAT, { ...rightOf('buffer'), numbers: 'new Float64Array(buffer.bytes.buffer)' })

/**
 * Hands out plain `ArrayBuffer`s, by the same rules as cmalloc does. They are not made resident, C code cannot own
 * them, and they are zeros where no init is given.
 *
 * `free` detaches the `ArrayBuffer`: every view of it is empty from then on.
 *
 * @example
 * ```ts
 * const buffer = arrayBufferAllocator.malloc(10, 1, 'A')
 * buffer.bytes[0] // 65
 * arrayBufferAllocator.free(buffer)
 * ```
 */
export const arrayBufferAllocator: Allocator<PlainBuffer> = freeze({ malloc, free, getBufferAddress })

markSelfFreeing(arrayBufferAllocator)

function malloc(count: number, size: number = 1, init?: Init): PlainBuffer {
  if (arguments.length > 3) throw surplus('malloc(count, size, init)', arguments.length)
  const byteLength = blockLength(count, size, USAGE)
  const checked = checkOptionalInit(init, byteLength, USAGE)
  const bytes = allocate(byteLength)
  // It is zero already.
  if (checked !== 0) fillBytes(bytes, checked, 0, byteLength)
  return create(bytes)
}

function free(buffer: PlainBuffer, key?: unknown, collection?: unknown): void {
  if (arguments.length > 1) mustBeVisit('free(buffer)', arguments.length, key, collection)
  end(checkBuffer(buffer))
}

function getBufferAddress(buffer: PlainBuffer, key?: unknown, collection?: unknown): bigint {
  if (arguments.length > 1) mustBeVisit('getBufferAddress(buffer)', arguments.length, key, collection)
  return addressOf(checkBuffer(buffer))
}

function checkBuffer(buffer: unknown): PlainBuffer {
  if (!isPlainBuffer(buffer)) throw invalidType('buffer', 'a buffer of arrayBufferAllocator', buffer)
  return buffer
}

/** The runtime's own error says neither how much was asked for, nor that it was memory that was missing. */
function allocate(byteLength: number): Bytes {
  if (byteLength >= LARGE) {
    const { availableBytes } = stats()
    if (availableBytes !== null && byteLength > availableBytes) {
      throw outOfMemory(byteLength, `the machine or its container has ${availableBytes} left`)
    }
  }
  try {
    return new Bytes(new PlainArrayBuffer(byteLength))
  } catch {
    throw outOfMemory(byteLength, 'the runtime makes no ArrayBuffer of that length')
  }
}
