/// <reference lib="esnext.disposable" preserve="true" />

import { Bytes } from '../runtime/bytes.js'
import { freed, illegalConstructor, invalidType, outOfRange, pinned } from '../runtime/errors.js'
import { INSPECT } from '../runtime/inspect.js'
import { freedOther, mustBeMapped, surplus, unbound } from '../runtime/mistakes.js'
import { makeAdvice, refuseAsArray, rightOf } from '../runtime/no-array.js'
import { max, typedArray } from '../runtime/primordials.js'
import { index, positiveInteger, relativeIndex } from '../runtime/validate.js'
import { givingUp, keepOrFree } from './cache.js'
import { copyToCell, readCell, sliceOfCell, writeCell } from './copies.js'
import { DEBUG, noteEnd, noteFirstView, noteLetGo, noteOrigin, withHistory } from './debug.js'
import { checkInit, checkOptionalInit, fillSlot, type Init } from './init.js'
import type { End, Inside } from './inside.js'
import { noted } from './noted.js'
import { disposeWhenUnpinned, isPinned, Pin } from './pin.js'
import { bufferOf, freeCellNow, recycleEmpty, refill, refresh, REQUEST, type Cell } from './slots.js'
import { noteView } from './turn.js'
import { checkUntil, type PinUntil } from './until.js'
import { usePinned } from './use.js'
import { partOf, viewOf, type ViewConstructor } from './view.js'

/** Only this file has it, so that nobody else makes handles. */
const KEY = Symbol('cmalloc')
const inside = {} as Inside<NativeBuffer>
const ADVICE = makeAdvice('a NativeBuffer', 'post handOver(block)', 'take block.bytes')
let handles = 0

/**
 * A handle for one block of C memory.
 *
 * The block is freed once: by {@link free}, by `using`, or when the handle is garbage-collected. After that
 * `freed` is `true`, `byteLength` is 0, every view is empty, and any other use throws `ERR_CMALLOC_FREED`.
 *
 * An address does not keep its handle alive: hold on to the handle as long as C code uses the address.
 */
export class NativeBuffer implements Disposable {
  /** @internal Tells this handle from others where objects are compared by what they have. It is never written again. */
  protected readonly handle: number = (handles = (handles + 1) & 0x3fff_ffff)
  /** @internal */
  protected readonly advice: symbol = ADVICE
  #cell: Cell | undefined

  /** @internal */
  private constructor(key: symbol, cell: Cell) {
    if (key !== KEY) throw illegalConstructor()
    this.#cell = cell
  }

  static {
    inside.createHandle = DEBUG
      ? (cell) => noteOrigin(new NativeBuffer(KEY, cell), cell.slot)
      : (cell) => new NativeBuffer(KEY, cell)
    inside.isNativeBuffer = (value): value is NativeBuffer =>
      typeof value === 'object' && value !== null && #cell in value
    inside.addressOf = (buffer) => {
      const cell = buffer.#use('get the address')
      return cell.address >= 0 ? BigInt(cell.address) : cell.slot.address
    }
    inside.addressIfLive = (buffer) => (buffer.#cell === undefined ? undefined : addressOf(buffer))
    inside.cellOf = (buffer, operation) => buffer.#use(operation)
    // As #end() does, without a callback: that makes `malloc` and `free` in a loop some 5 % faster.
    const freeFast: End<NativeBuffer> = (buffer) => {
      const cell = buffer.#useAlone('free')
      buffer.#cell = undefined
      try {
        return keepOrFree(cell)
      } catch (error) {
        buffer.#restore(cell)
        throw error
      }
    }
    const freeFastNow: End<NativeBuffer> = (buffer) => void buffer.#end('free', freeCellNow)
    const cellToFree = (buffer: NativeBuffer): Cell => buffer.#useAlone('free')
    inside.freeHandle = DEBUG ? noted(freeFast, 'free()', cellToFree) : freeFast
    inside.freeHandleNow = DEBUG ? noted(freeFastNow, 'freeNow()', cellToFree) : freeFastNow
    inside.endHandle = (buffer, operation, end) => buffer.#end(operation, end)
  }

  /**
   * A new block with a copy of the bytes of a view or of a buffer.
   *
   * @param data - a typed array, a `DataView`, a `Buffer`, an `ArrayBuffer` or a `SharedArrayBuffer`
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` if there are no bytes; `ERR_CMALLOC_OUT_OF_MEMORY`
   */
  static from(data: ArrayBufferView | ArrayBufferLike): NativeBuffer
  static from(data: ArrayBufferView | ArrayBufferLike, _index?: unknown, all?: unknown): NativeBuffer {
    if (arguments.length > 1) mustBeMapped('NativeBuffer.from(data)', arguments.length, all)
    return createHandle(copyToCell(data))
  }

  /**
   * The address of the first byte, as C sees it; `resize` may change it. It does not keep the handle alive.
   *
   * @throws `ERR_CMALLOC_FREED`
   */
  get address(): bigint {
    return addressOf(this)
  }

  /** The block's length in bytes, as it was asked for; 0 once it is freed. */
  get byteLength(): number {
    return this.#byteLength
  }

  /** Whether the block is gone: freed, released or consumed. */
  get freed(): boolean {
    return this.#cell === undefined
  }

  /** Whether a pin holds the block. */
  get pinned(): boolean {
    return this.#cell !== undefined && isPinned(this)
  }

  /**
   * Pins the block for I/O in flight or for C code that keeps its address: as long as a pin is held, `free`, `freeNow`,
   * `resize`, `release`, `consume` and `handOver` throw `ERR_CMALLOC_PINNED`, and the handle is not garbage-collected.
   * Pins nest.
   *
   * @param until - what the pin is held until, unless its `unpin()` comes first; if omitted, it is held until `unpin()`
   * @throws `ERR_CMALLOC_FREED`; `ERR_INVALID_ARG_TYPE`
   *
   * @example
   * ```ts
   * const pin = block.pin()
   * fs.read(fd, block.bytes, 0, block.byteLength, 0, () => pin.unpin())
   *
   * response.end(block.bytes)
   * block.pin(response)
   * ```
   */
  pin(until?: PinUntil): Pin {
    if (arguments.length > 1) throw surplus('pin(until)', arguments.length)
    // `pin(fs.write(…, callback))` would pin for ever.
    const wait = arguments.length > 0 ? checkUntil(until) : undefined
    // Last: the checks may have run code of the program, which may have freed the block.
    this.#use('pin').kept = false
    return new Pin(this, wait)
  }

  /**
   * Calls `work` with the bytes. The block is pinned until `work` has returned or, if it returned a promise, until that
   * is settled; then it is freed, as by the end of a `using` scope: with its last pin, if there are others.
   *
   * @param work - what is done with the bytes
   * @returns what `work` returns; for a promise a new one, which settles as that does, when the block is freed
   * @throws what `work` throws; `ERR_INVALID_ARG_TYPE`; and as {@link buffer} and {@link free} do
   *
   * @example
   * ```ts
   * const written = await malloc(2 ** 20, 1, 'A').use((bytes) => file.write(bytes))
   * ```
   */
  use<R>(work: (bytes: Bytes) => R): R {
    if (arguments.length > 1) throw surplus('use(work)', arguments.length)
    if (typeof work !== 'function')
      throw invalidType('work', 'a function, as in use((bytes) => file.write(bytes))', work)
    this.#use('use')
    return usePinned(this, this.#view(), work)
  }

  /**
   * The block as an `ArrayBuffer`: no copy, made on first use, the same object until the block is freed or
   * resized. It is detached then, and views of it are empty.
   *
   * @throws `ERR_CMALLOC_FREED`
   * @throws `ERR_CMALLOC_ESCAPED` if the `ArrayBuffer` was transferred away
   * @throws `ERR_CMALLOC_NO_EXTERNAL_BUFFERS` where the runtime makes none over this block
   */
  get buffer(): ArrayBuffer {
    return typedArray.bufferOf(this.#view()) as ArrayBuffer
  }

  /**
   * The whole block as a `Uint8Array`: no copy.
   *
   * @throws as {@link buffer} does
   */
  get bytes(): Bytes {
    return this.#view()
  }

  /**
   * A part of the block as a typed array or `DataView`: no copy.
   *
   * @param type - the view's class
   * @param byteOffset - where the view starts; a multiple of the size of its elements
   * @param length - the number of its elements, for a `DataView` of its bytes; up to the end if omitted
   * @throws `ERR_OUT_OF_RANGE` for a view that is misaligned or does not fit; and as {@link buffer} does
   */
  view<T extends ArrayBufferView>(type: ViewConstructor<T>, byteOffset: number = 0, length?: number): T {
    if (arguments.length > 3) throw surplus('view(type, byteOffset, length)', arguments.length)
    return viewOf(type, () => partOf(this.#view()), byteOffset, length)
  }

  /**
   * Fills the bytes from `start` to `end`: all of them if omitted.
   *
   * @param init - what they are filled with; must be given
   * @param start - the first byte, from 0 to the length
   * @param end - the byte after the last, from `start` to the length
   * @throws `ERR_CMALLOC_FREED`, and for bad arguments as `malloc` does
   */
  fill(init: Init, start?: number, end?: number): this {
    if (arguments.length > 3) throw surplus('fill(init, start, end)', arguments.length)
    const size = this.#byteLength
    const checked = checkInit(init, size)
    const from = index('start', start, 0, size)
    const to = index('end', end, size, size)
    const { slot } = this.#use('fill')
    if (from > to) throw outOfRange('start', `at most end, which is ${to}`, from)
    if (from < to) fillSlot(slot, checked, from, to)
    return this
  }

  /**
   * Copies bytes out of the block: as many as the view `into` has, from the block's byte `start` on. It makes no
   * `ArrayBuffer` over the block, which costs more than to copy some hundred bytes.
   *
   * @param into - a typed array, a `DataView` or a `Buffer`, of any memory
   * @param start - the first byte, from 0; 0 if omitted
   * @returns `into`
   * @throws `ERR_CMALLOC_FREED`; `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` if the block has not so many bytes from `start` on
   *
   * @example
   * ```ts
   * const [seconds, nanoseconds] = block.read(new BigInt64Array(2))
   * ```
   */
  read<T extends ArrayBufferView>(into: T, start?: number): T {
    if (arguments.length > 2) throw surplus('read(into, start)', arguments.length)
    readCell(this.#use('read'), into, start)
    return into
  }

  /**
   * Copies bytes into the block, from its byte `start` on. It makes no `ArrayBuffer` over the block, which costs more than
   * to copy some hundred bytes.
   *
   * @param from - a typed array, a `DataView`, a `Buffer`, an `ArrayBuffer` or a `SharedArrayBuffer`
   * @param start - the first byte, from 0; 0 if omitted
   * @throws `ERR_CMALLOC_FREED`; `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` if the block has no room for the bytes from `start` on
   *
   * @example
   * ```ts
   * block.write(new Float64Array([x, y, z]), 16)
   * ```
   */
  write(from: ArrayBufferView | ArrayBufferLike, start?: number): this {
    if (arguments.length > 2) throw surplus('write(from, start)', arguments.length)
    if (isNativeBuffer(from))
      throw invalidType('from', 'a view or a buffer', from, 'For the bytes of a block, pass block.bytes')
    writeCell(this.#use('write'), from, start)
    return this
  }

  /**
   * A copy of the bytes from `start` to `end` in a new block. Negative indices count from the end, and indices
   * beyond either end mean that end, as for the typed arrays.
   *
   * @throws `ERR_CMALLOC_FREED`; `ERR_OUT_OF_RANGE` if there is nothing to copy; `ERR_CMALLOC_OUT_OF_MEMORY`
   */
  slice(start?: number, end?: number): NativeBuffer {
    if (arguments.length > 2) throw surplus('slice(start, end)', arguments.length)
    const size = this.#byteLength
    const from = relativeIndex('start', start, 0, size)
    const to = relativeIndex('end', end, size, size)
    return createHandle(sliceOfCell(this.#use('slice'), from, to))
  }

  /**
   * Resizes the block with C's `realloc`, which may move it. The contents are kept up to the smaller length; new
   * bytes are resident, and filled if `init` is given, else they hold anything. Views become empty: make new ones.
   *
   * The block keeps its options: `align`, `lazy`, `secure`. Such a block is copied if it does not fit where it is, and
   * always if it is secure. There must be memory for both meanwhile.
   *
   * @param byteLength - the new length in bytes, an integer from 1
   * @param init - what new bytes are filled with, from its first byte on
   * @throws `ERR_CMALLOC_FREED`, `ERR_CMALLOC_PINNED`, and as `malloc` does; the contents are then as they were
   * @throws `ERR_CMALLOC_CORRUPTED`, only in the debug mode, if somebody wrote past the end of the block
   */
  resize(byteLength: number, init?: Init): this {
    if (arguments.length > 2) throw surplus('resize(byteLength, init)', arguments.length)
    const length = positiveInteger('byteLength', byteLength)
    const old = this.#byteLength
    const checked = checkOptionalInit(init, max(length - old, 1))
    this.#useAlone('resize')
    // A copy: the pattern may be a view of this block, which the resize empties.
    const pattern = typeof checked === 'number' || length <= old ? checked : new Bytes(checked)
    const [cell, reason] = this.#end('resize', ({ slot }) => givingUp(() => slot.resize(length)))
    refill(cell)
    this.#cell = cell
    if (DEBUG) {
      if (reason === REQUEST) noteLetGo(this, old, 'resize()')
      // A block that was let go was copied: it is a new one.
      noteOrigin(this, cell.slot)
    }
    if (length > old) fillSlot(cell.slot, pattern, old, length)
    // It may be a secret.
    if (pattern !== checked) typedArray.fill(pattern as Uint8Array, 0, 0, typedArray.byteLengthOf(pattern))
    return this
  }

  /**
   * How many of the block's bytes lie in resident pages, asked of the operating system.
   *
   * @throws `ERR_CMALLOC_FREED`; `ERR_FEATURE_UNAVAILABLE_ON_PLATFORM` where it cannot tell
   */
  residentBytes(): number {
    if (arguments.length > 0) throw surplus('residentBytes()', arguments.length)
    return this.#use('look at the pages').slot.residentBytes()
  }

  /**
   * Gives the block away, and returns its address: C code must `free()` it now, else it leaks. The opposite of
   * `consume`. Views become empty.
   *
   * @returns the address, which C's `malloc` returned: as a block that C itself allocated
   * @throws `ERR_CMALLOC_FREED`; `ERR_CMALLOC_PINNED`; `ERR_CMALLOC_ESCAPED` if its `ArrayBuffer` was transferred away
   * @throws `ERR_CMALLOC_SECURE` for a secure block, which C's `free` would not wipe
   * @throws `ERR_CMALLOC_CORRUPTED`, only in the debug mode, if somebody wrote past the end of the block
   */
  release(): bigint {
    if (arguments.length > 0) throw surplus('release()', arguments.length)
    const [cell, address] = this.#end('release', ({ slot }) => slot.release())
    if (DEBUG) noteEnd(this, 'release()')
    recycleEmpty(cell)
    return address
  }

  /**
   * Frees the block with C's `free`. Views become empty. If the `ArrayBuffer` was transferred away, its bytes live
   * on as long as some `ArrayBuffer` has them. A block of a `Pool` goes back to it.
   *
   * It takes no bytes from I/O in flight. If the block had views, and the event loop has a request under way or an open
   * socket, the handle is freed, its views stay as they are, and the memory is freed when nobody has them any more.
   * {@link freeNow} does not ask. Some I/O is not seen by the event loop: a stream that has not begun, addons with
   * threads of their own, and anything on Bun and Deno. That needs a pin or an `await`.
   *
   * @throws `ERR_CMALLOC_FREED` if it is gone already; `ERR_CMALLOC_PINNED` if a pin holds it
   * @throws `ERR_CMALLOC_CORRUPTED`, only in the debug mode, if somebody wrote past the end of the block, which is freed
   * all the same
   */
  free(): void
  free(other?: unknown): void {
    // It may be the listener of an event, which passes something. To be given a block is a mistake.
    if (other !== undefined && other !== this && isNativeBuffer(other)) throw freedOther()
    if (!isNativeBuffer(this)) throw unbound('free')
    freeHandle(this)
  }

  /**
   * Frees the block at once, whatever is in flight. Call it only if nobody uses the bytes any more, as after all work
   * with them was awaited: whoever does reads or writes memory that belongs to others by then. Else as {@link free}.
   *
   * @throws as {@link free} does
   */
  freeNow(): void {
    if (!isNativeBuffer(this)) throw unbound('freeNow')
    freeHandleNow(this)
  }

  /**
   * Frees the block at the end of the scope of a `using` declaration; nothing if it is gone already. A pinned block
   * is freed as soon as its last pin goes.
   *
   * @throws `ERR_CMALLOC_CORRUPTED`, as {@link free} does
   */
  [Symbol.dispose](): void {
    if (this.#cell === undefined) return
    if (isPinned(this)) disposeWhenUnpinned(this)
    else freeHandle(this)
  }

  /** @internal What `console.log` shows. */
  [INSPECT](): string {
    if (!(#cell in this)) return 'NativeBuffer {}'
    if (this.#cell === undefined) return 'NativeBuffer { freed: true }'
    return `NativeBuffer { address: 0x${addressOf(this).toString(16)}, byteLength: ${this.#cell.byteLength} }`
  }

  get #byteLength(): number {
    return this.#cell === undefined ? 0 : this.#cell.byteLength
  }

  #use(operation: string): Cell {
    if (this.#cell === undefined) throw withHistory(freed(operation), this)
    return this.#cell
  }

  #view(): Bytes {
    const cell = this.#use('view')
    // It is empty if somebody else detached the ArrayBuffer. The slot knows whether there can be another one.
    if (cell.bytes !== undefined && typedArray.byteLengthOf(cell.bytes) > 0) return cell.bytes
    const bytes = (cell.bytes = new Bytes(bufferOf(cell)))
    if (DEBUG) noteFirstView(this)
    // Last: a hook of the program may run in there, and use the handle.
    noteView()
    return bytes
  }

  #useAlone(operation: string): Cell {
    const cell = this.#use(operation)
    if (isPinned(this)) throw pinned(operation)
    return cell
  }

  /**
   * Empties the handle, and calls what frees or moves its block. In this order: JavaScript can be stopped between any two
   * lines, by the timeout of `vm`, by `worker.terminate()` or by a stack overflow. A handle that still had the block
   * would then free it a second time. An empty one leaves it to the garbage collector.
   *
   * The cell keeps the `ArrayBuffer` meanwhile: once collected, it could not be detached.
   */
  #end<T>(operation: string, end: (cell: Cell) => T): [cell: Cell, result: T] {
    const cell = this.#useAlone(operation)
    this.#cell = undefined
    cell.kept = false
    try {
      return [cell, end(cell)]
    } catch (error) {
      this.#restore(cell)
      throw error
    }
  }

  /** Puts the block back after a call has refused it. A corrupt block is freed although the call throws: it does not come back. */
  #restore(cell: Cell): void {
    if (cell.slot.freed) return
    // The key is stale if the call went half-way.
    refresh(cell)
    this.#cell = cell
  }
}

refuseAsArray(NativeBuffer, 'NativeBuffer', rightOf('block'))

export const { createHandle, isNativeBuffer, addressOf, addressIfLive, freeHandle, freeHandleNow } = inside
export const { cellOf, endHandle } = inside
