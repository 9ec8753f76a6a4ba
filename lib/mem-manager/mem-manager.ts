/// <reference lib="esnext.disposable" preserve="true" />

import { copyOfRegion, isRegion } from '../arena/region.js'
import type { AllocatedBuffer, Allocator } from '../core/allocator.js'
import type { AddressRef } from '../core/consume.js'
import type { Init } from '../core/init.js'
import { copyOut } from '../core/copy-out.js'
import { isNativeBuffer } from '../core/native-buffer.js'
import { isSelfFreeing } from '../core/self-freeing.js'
import type { ViewConstructor } from '../core/view.js'
import { Bytes } from '../runtime/bytes.js'
import { freedBefore, invalidType, invalidValue, outOfRange } from '../runtime/errors.js'
import { INSPECT } from '../runtime/inspect.js'
import { mustBeOptions, surplus } from '../runtime/mistakes.js'
import { makeAdvice, refuseAsArray, type Right } from '../runtime/no-array.js'
import {
  floor,
  isSafeInteger,
  mapDelete,
  mapForEach,
  mapGet,
  mapSet,
  min,
  PlainMap,
  typedArray,
  weakMapDelete,
  weakMapSet,
} from '../runtime/primordials.js'
import { blockLength, index, type Usage } from '../runtime/validate.js'
import { findAllocator } from './allocators.js'
import { callStub, hasEnded, warnOfStub, type DeathStub } from './death.js'
import { nextIdentifier, refuseManaged, register, unregister, type Managed } from './managed.js'
import { elementSizeOf, makeView, shapeOf, VIEW_OPTIONS, viewName, type ManagedView, type ViewOptions } from './view.js'

/** What a manager that consumes a block can be told. */
export interface ConsumeOptions {
  /** The name of a registered allocator, or an allocator; `'CMalloc'` if omitted. */
  allocator?: string | Allocator | undefined
  /** Whether the manager stays alive although nobody has it, until `endDelay()` or `free()`. */
  delayedGc?: boolean | undefined
  /** Is called once, before the memory goes. */
  deathStub?: DeathStub | undefined
}

/** What a manager can be told. */
export interface MemManagerOptions extends ConsumeOptions {
  /** What the memory is filled with; if omitted, what the allocator leaves there. */
  init?: Init | undefined
}

const USAGE: Usage = {
  init: "new MemManager(count, 1, { init: 'zero' })",
  options: "new MemManager(count, 1, { init: 'zero' })",
}

const RIGHT: Right = {
  bytes: 'manager.createView(Uint8Array)',
  numbers: 'manager.createView(Float64Array)',
  length: 'manager.bufferSize',
}

const OPTIONS = ['init', 'allocator', 'delayedGc', 'deathStub'] as const satisfies (keyof MemManagerOptions)[]

/** As an option: the block to consume, in place of an allocation. */
const SOURCE = Symbol('source')

/** The managers that are to stay alive, by their identifiers. */
const delayed = new Map<number, MemManager>()

/** A view keeps its manager alive: the death of the manager empties the view. */
const managersOfViews = new WeakMap<object, MemManager>()

/**
 * Manages `count` elements of `size` bytes.
 *
 * The memory is freed once: by {@link free}, by `using`, or when the manager is garbage-collected. After that `freed`
 * is `true`, `bufferSize` and `elementCount` are 0, views are empty, and any other use throws `ERR_CMALLOC_FREED`.
 *
 * A death stub is called before, also for those that are still alive as the thread or the process ends. Then nobody can
 * catch what it throws, nor after a collection: that becomes a process warning of the code `CMALLOC_DEATH_STUB_THREW`.
 * A stub that refers to its own manager keeps it alive. The stubs of a thread that is terminated are not called.
 *
 * A dropped manager that has a death stub, or an allocator of your own, is freed in a turn of the event loop after its
 * collection. Any other leaves its buffer to the garbage collector, so that a synchronous loop does not pile up memory.
 *
 * @example
 * ```ts
 * using manager = new MemManager(6, 8, { init: 'zero', deathStub: ({ identifier }) => console.log(identifier) })
 * const matrix = manager.createView(Float64Array, { dims: [2, 3] })
 * matrix[5] = Math.PI
 * ```
 */
export class MemManager implements Disposable {
  /** @internal What tells this manager from others where objects are compared or cloned. */
  protected readonly advice: symbol = makeAdvice('a MemManager', 'copy a view', 'take its views')
  readonly #managed: Managed
  readonly #allocator: Allocator
  readonly #elementSize: number
  #buffer: AllocatedBuffer
  /** By name, once there are any. */
  #views: Map<string, ManagedView> | undefined

  /**
   * Allocates the memory.
   *
   * @param count - the number of elements, an integer from 1
   * @param size - the size of an element in bytes, an integer from 1; 1 if omitted
   * @param options - whose memory it is, what that is filled with, and how it ends
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE` for arguments that make no sense; and
   * what the allocator throws, such as `ERR_CMALLOC_OUT_OF_MEMORY`
   * @throws `ERR_CMALLOC_ALREADY_OWNED` if the allocator answers with memory that another manager of this thread has.
   * It is not freed: nobody knows whose it is
   */
  constructor(count: number, size: number = 1, options: MemManagerOptions = {}) {
    if (arguments.length > 3) throw surplus('new MemManager(count, size, options)', arguments.length)
    const asked = blockLength(count, size, USAGE)
    const { allocator, init, delayedGc, deathStub, source } = checkOptions(options)
    const buffer = source === undefined ? allocator.malloc(count, size, init) : takeOver(allocator, source, asked)
    const byteLength = checkLength(buffer, asked, source !== undefined)
    const identifier = nextIdentifier()
    const address = checkAddress(allocator.getBufferAddress(buffer))
    const death = {
      address,
      bufferSize: byteLength,
      elementSize: size,
      elementCount: floor(byteLength / size),
      identifier,
    }
    const needsNoCleanup = deathStub === undefined && isSelfFreeing(allocator)
    const cleanup = needsNoCleanup ? undefined : { allocator, buffer, death, stub: deathStub }
    this.#managed = { identifier, address, byteLength, cleanup, state: 'live', place: -1 }
    this.#allocator = allocator
    this.#elementSize = size
    this.#buffer = buffer
    register(this, this.#managed, buffer)
    if (delayedGc) mapSet(delayed, identifier, this)
  }

  /**
   * Takes over a block that C's `malloc` made, as `consume` does, and manages it.
   *
   * If the block could not be resized, `bufferSize` is what it holds, and `elementCount` what fits into that.
   *
   * **Unsafe as `consume` is**: the address must be one that C's `malloc` returned, and that nobody frees or resizes any
   * more.
   *
   * @param source - an object that holds the address, which is set to zero
   * @param count - the number of elements, an integer from 1
   * @param size - the size of an element in bytes, an integer from 1; 1 if omitted
   * @param options - whose `consume` takes it over, and how it ends
   * @throws as the constructor does, and what the allocator's `consume` throws
   * @throws `ERR_INVALID_ARG_VALUE` if the allocator has no `consume`
   * @throws `ERR_CMALLOC_ALREADY_OWNED` if the block overlaps what a manager of this thread has. Nothing is changed then
   */
  static consume(source: AddressRef, count: number, size: number = 1, options: ConsumeOptions = {}): MemManager {
    if (arguments.length > 4) throw surplus('consume(source, count, size, options)', arguments.length)
    mustBeOptions(options, 'MemManager.consume()', OPTIONS)
    const { allocator, delayedGc, deathStub, init } = options as MemManagerOptions
    if (init !== undefined) throw invalidValue('options.init must be omitted: a block that is consumed keeps its bytes')
    const internal: MemManagerOptions & { [SOURCE]: AddressRef } = { allocator, delayedGc, deathStub, [SOURCE]: source }
    return new MemManager(count, size, internal)
  }

  /** The managers whose collection is delayed, in the order in which they were made. */
  static delayedGcObjects(): MemManager[] {
    if (arguments.length > 0) throw surplus('delayedGcObjects()', arguments.length)
    const managers: MemManager[] = []
    let count = 0
    mapForEach(delayed, (manager) => void (managers[count++] = manager))
    return managers
  }

  /**
   * The address of the first byte. It does not keep the manager alive.
   *
   * @throws `ERR_CMALLOC_FREED`
   */
  get buffer(): bigint {
    this.#use('get the address')
    return this.#managed.address
  }

  /** The length of the memory in bytes; 0 once it is freed. */
  get bufferSize(): number {
    return this.freed ? 0 : this.#managed.byteLength
  }

  /** The size of an element in bytes. */
  get elementSize(): number {
    return this.#elementSize
  }

  /** The number of elements; 0 once the memory is freed. */
  get elementCount(): number {
    return floor(this.bufferSize / this.#elementSize)
  }

  /** An integer that no other manager of the process has or had. */
  get identifier(): number {
    return this.#managed.identifier
  }

  /** Whether the memory was freed. */
  get freed(): boolean {
    return this.#isGone()
  }

  /**
   * A copy of the bytes from `start` to `end`, both included.
   *
   * @param start - the first byte; 0 if omitted
   * @param end - the last byte; that of the memory if omitted
   * @throws `ERR_CMALLOC_FREED`; `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` if there are no such bytes, also if `start`
   * is greater than `end`
   *
   * @example
   * ```ts
   * new MemManager(20, 1, { init: 'A' }).extractBufferRegion(5, 10) // six bytes of 65
   * ```
   */
  extractBufferRegion(start?: number, end?: number): Bytes {
    if (arguments.length > 2) throw surplus('extractBufferRegion(start, end)', arguments.length)
    const buffer = this.#use('extract a region')
    const last = this.#managed.byteLength - 1
    const from = index('start', start, 0, last)
    const to = index('end', end, last, last)
    if (from > to) throw outOfRange('start', `at most end, which is ${to}`, from)
    const byteLength = to - from + 1
    if (isNativeBuffer(buffer)) return copyOut(buffer, from, byteLength)
    if (isRegion(buffer)) return copyOfRegion(buffer, from, byteLength)
    const bytes = this.#bytes('extract a region')
    return new Bytes(new Bytes(typedArray.bufferOf(bytes), typedArray.byteOffsetOf(bytes) + from, byteLength))
  }

  /**
   * A typed array over the memory, from its first byte on: no copy. It keeps the manager alive, and is empty as soon as
   * that is freed.
   *
   * @param type - the class of the view
   * @param options - its name, and its shape in elements
   * @throws `ERR_CMALLOC_FREED`; `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` for a shape that does not fit;
   * `ERR_INVALID_ARG_VALUE` if there is a view of that name
   *
   * @example
   * ```ts
   * const matrix = new MemManager(6, 8).createView(Float64Array, { name: 'matrix', dims: [2, 3] })
   * matrix.length // 6
   * ```
   */
  createView<T extends ArrayBufferView>(type: ViewConstructor<T>, options: ViewOptions = {}): ManagedView<T> {
    if (arguments.length > 2) throw surplus('createView(type, options)', arguments.length)
    this.#use('create a view')
    const elementSize = elementSizeOf(type)
    mustBeOptions(options, 'createView()', VIEW_OPTIONS)
    const { name: wanted, dims } = options
    const name = viewName(wanted, type)
    const shape = shapeOf(dims, elementSize, this.#managed.byteLength)
    const view = makeView(type, shape, this.#bytes('create a view'))
    // Not before: what is the program's own has run until here.
    this.#use('create a view')
    this.#views ??= new PlainMap()
    if (mapGet(this.#views, name) !== undefined) {
      throw invalidValue(`There is a view '${name}' already. Delete it first, or choose another options.name`)
    }
    mapSet(this.#views, name, view)
    weakMapSet(managersOfViews, view, this)
    return view
  }

  /**
   * The view of a name; `undefined` if there is none.
   *
   * @throws `ERR_CMALLOC_FREED`
   */
  getView<T extends ArrayBufferView = ArrayBufferView>(name: string): ManagedView<T> | undefined {
    if (arguments.length > 1) throw surplus('getView(name)', arguments.length)
    this.#use('get a view')
    return this.#views && (mapGet(this.#views, name) as ManagedView<T> | undefined)
  }

  /**
   * Forgets the view of a name, which does not keep the manager alive any more. Returns whether there was one.
   *
   * @throws `ERR_CMALLOC_FREED`
   */
  deleteView(name: string): boolean {
    if (arguments.length > 1) throw surplus('deleteView(name)', arguments.length)
    const view = this.getView(name)
    if (view === undefined) return false
    weakMapDelete(managersOfViews, view)
    return mapDelete(this.#views!, name)
  }

  /**
   * Lets the manager be collected like any other, if its collection was delayed.
   *
   * @throws `ERR_CMALLOC_FREED`
   */
  endDelay(): void {
    this.#use('end the delay')
    mapDelete(delayed, this.identifier)
  }

  /**
   * Calls the death stub, and frees the memory at once. Views become empty. If the stub calls `free`, nothing happens
   * there.
   *
   * @throws `ERR_CMALLOC_FREED` if it is gone already; what the allocator's `free` throws; and what the stub throws,
   * after the memory was freed
   */
  free(): void {
    this.#use('free')
    const managed = this.#managed
    if (managed.state !== 'live') return
    managed.state = 'dying'
    const thrown = managed.cleanup && callStub(managed.cleanup)
    managed.state = 'ending'
    try {
      this.#allocator.free(this.#buffer)
    } catch (error) {
      if (thrown !== undefined) warnOfStub(managed.identifier, thrown, false)
      // The allocator may refuse it, as for a pinned buffer: it is managed as before then.
      managed.state = 'live'
      if (hasEnded(this.#buffer, managed.address)) this.#end()
      throw error
    }
    this.#end()
    if (thrown !== undefined) throw thrown.error
  }

  /**
   * Frees the memory at the end of the scope of a `using` declaration; nothing if it is gone already.
   *
   * @throws as {@link free} does, but for `ERR_CMALLOC_FREED`
   */
  [Symbol.dispose](): void {
    if (!this.freed) this.free()
  }

  /** @internal What `console.log` shows. */
  [INSPECT](): string {
    if (!(#managed in this)) return 'MemManager {}'
    const { identifier, address, byteLength } = this.#managed
    if (this.freed) return `MemManager { identifier: ${identifier}, freed: true }`
    return `MemManager { identifier: ${identifier}, buffer: 0x${address.toString(16)}, bufferSize: ${byteLength} }`
  }

  #isGone(): boolean {
    const managed = this.#managed
    // Its end was interrupted after the allocator had freed the buffer.
    if (managed.state === 'ending' && hasEnded(this.#buffer, managed.address)) this.#end()
    return managed.state === 'gone'
  }

  #use(operation: string): AllocatedBuffer {
    if (this.#isGone()) throw freedBefore(operation, 'MemManager')
    return this.#buffer
  }

  /** The allocator's view of the bytes: all that are managed, and perhaps more. */
  #bytes(operation: string): Uint8Array {
    const { bytes } = this.#use(operation)
    // Freed without the manager, or moved to another ArrayBuffer.
    if (typedArray.byteLengthOf(bytes) < this.#managed.byteLength) throw freedBefore(operation, 'MemManager')
    return bytes
  }

  #end(): void {
    unregister(this.#managed)
    mapDelete(delayed, this.#managed.identifier)
    this.#views = undefined
  }
}

refuseAsArray(MemManager, 'MemManager', RIGHT, false)

interface CheckedOptions {
  allocator: Allocator
  init: Init | undefined
  delayedGc: boolean
  deathStub: DeathStub | undefined
  source: AddressRef | undefined
}

function checkOptions(options: unknown): CheckedOptions {
  mustBeOptions(options, 'new MemManager()', OPTIONS)
  const given = options as MemManagerOptions & { [SOURCE]?: AddressRef }
  const { allocator = 'CMalloc', init, delayedGc = false, deathStub } = given
  if (typeof delayedGc !== 'boolean') throw invalidType('options.delayedGc', 'a boolean', delayedGc)
  if (deathStub !== undefined && typeof deathStub !== 'function') {
    throw invalidType('options.deathStub', 'a function', deathStub)
  }
  return { allocator: findAllocator('options.allocator', allocator), init, delayedGc, deathStub, source: given[SOURCE] }
}

function takeOver(allocator: Allocator, source: AddressRef, byteLength: number): AllocatedBuffer {
  if (typeof allocator.consume !== 'function') {
    throw invalidValue('The allocator cannot consume blocks: it has no function consume')
  }
  const address = addressOf(source)
  if (address !== undefined) refuseManaged(address, byteLength)
  return allocator.consume(source, byteLength)
}

/** The address that a source names; `undefined` if the allocator's `consume` is to say why it is none. */
function addressOf(source: unknown): bigint | undefined {
  if ((typeof source !== 'object' && typeof source !== 'function') || source === null) return undefined
  const { address } = source as AddressRef
  const pointer = typeof address === 'number' && isSafeInteger(address) ? BigInt(address) : address
  return typeof pointer === 'bigint' && pointer > 0n && pointer < 1n << 64n ? pointer : undefined
}

/** How much of what an allocator answered with is managed. A block that could not be resized may be shorter. */
function checkLength(buffer: unknown, asked: number, mayBeShorter: boolean): number {
  const isObject = (typeof buffer === 'object' || typeof buffer === 'function') && buffer !== null
  const byteLength: unknown = isObject ? (buffer as AllocatedBuffer).byteLength : undefined
  if (typeof byteLength === 'number' && isSafeInteger(byteLength) && byteLength >= (mayBeShorter ? 1 : asked)) {
    return min(byteLength, asked)
  }
  throw invalidValue(`The allocator did not answer with a buffer whose byteLength is ${asked}. It is not managed`)
}

function checkAddress(address: unknown): bigint {
  if (typeof address === 'bigint' && address > 0n) return address
  throw invalidValue('The allocator did not answer with an address that is a bigint over 0. Its buffer is not managed')
}
