import { copyOut } from '../core/copy-out.js'
import { Pin } from '../core/pin.js'
import { checkUntil, type PinUntil } from '../core/until.js'
import { viewOf, type Part, type ViewConstructor } from '../core/view.js'
import { Bytes } from '../runtime/bytes.js'
import { freed, illegalConstructor } from '../runtime/errors.js'
import { INSPECT } from '../runtime/inspect.js'
import { surplus } from '../runtime/mistakes.js'
import { refuseAsArray, rightOf } from '../runtime/no-array.js'
import { max } from '../runtime/primordials.js'
import { bytesOf, type Chunk } from './chunk.js'
import type { Scope } from './scope.js'

const GONE =
  'this region is gone. It was freed, or its arena was reset, rewound or disposed. If several users share it, give each ' +
  'an arena of its own'

/** Only this file has it, so that nobody else makes regions. */
const KEY = Symbol('region')

/** What other files do with regions, even if a program has replaced their methods. The class defines it. */
const inside = {} as {
  /** A region of a chunk, which ends with its scope. */
  makeRegion: (chunk: Chunk, scope: Scope, start: number, byteLength: number) => Region
  isRegion: (value: unknown) => value is Region
  /** Where a region lies; throws if it is gone. */
  placeOf: (region: Region, operation: string) => Place
  /** Ends one region alone. */
  endRegion: (region: Region) => void
  addressOf: (region: Region) => bigint
  /** A copy of some bytes of a region, which needs no view of them. */
  copyOfRegion: (region: Region, start: number, byteLength: number) => Bytes
}

interface Place {
  readonly chunk: Chunk
  readonly scope: Scope
  readonly start: number
  readonly end: number
}

/**
 * A run of bytes in a chunk of an arena. It is gone as soon as it is freed, or its arena is reset, disposed or rewound
 * to a mark from before it. Then `freed` is true, `byteLength` is 0, and any other use throws `ERR_CMALLOC_FREED`.
 *
 * A typed array that was taken from it stays as it is. The chunk lives on, so that it then reads and writes the next
 * region at that place. It never sees freed memory: when the arena is disposed, it becomes empty.
 */
export class Region {
  /** @internal What tells the regions of this chunk from others where objects are compared or cloned. */
  protected readonly advice: symbol
  readonly #chunk: Chunk
  readonly #scope: Scope
  readonly #generation: number
  readonly #start: number
  #byteLength: number

  /** @internal */
  private constructor(key: symbol, chunk: Chunk, scope: Scope, start: number, byteLength: number) {
    if (key !== KEY) throw illegalConstructor('A Region', 'the malloc() of an Arena')
    this.advice = chunk.advice
    this.#chunk = chunk
    this.#scope = scope
    this.#generation = scope.generation
    this.#start = start
    this.#byteLength = byteLength
  }

  static {
    inside.makeRegion = (chunk, scope, start, byteLength) => new Region(KEY, chunk, scope, start, byteLength)
    inside.isRegion = (value): value is Region => typeof value === 'object' && value !== null && #chunk in value
    inside.placeOf = (region, operation) => {
      region.#use(operation)
      const start = region.#start
      return { chunk: region.#chunk, scope: region.#scope, start, end: start + region.#byteLength }
    }
    inside.endRegion = (region) => {
      region.#byteLength = 0
    }
    inside.copyOfRegion = (region, start, byteLength) => {
      region.#use('copy')
      return copyOut(region.#chunk.handle, region.#start + start, byteLength)
    }
    inside.addressOf = (region) => {
      region.#use('get the address')
      return region.#chunk.address + BigInt(region.#start)
    }
  }

  /**
   * The address of the first byte, as C sees it. C code must neither free nor resize it: it lies inside of a block.
   *
   * @throws `ERR_CMALLOC_FREED`
   */
  get address(): bigint {
    return addressOf(this)
  }

  /** The length in bytes, as it was asked for; 0 once the region is gone. */
  get byteLength(): number {
    return this.#isGone() ? 0 : this.#byteLength
  }

  /** Whether the region is gone. */
  get freed(): boolean {
    return this.#isGone()
  }

  /**
   * The region as a `Uint8Array`: no copy.
   *
   * @throws `ERR_CMALLOC_FREED`
   * @throws `ERR_CMALLOC_ESCAPED` if the `ArrayBuffer` of its chunk was transferred away
   * @throws `ERR_CMALLOC_NO_EXTERNAL_BUFFERS` where the runtime makes none over it
   */
  get bytes(): Bytes {
    return new Bytes(this.#look(), this.#start, this.#byteLength)
  }

  /**
   * A part of the region as a typed array, `DataView` or `Buffer`: no copy.
   *
   * @param type - the view's class
   * @param byteOffset - where the view starts in the region; its address is a multiple of the size of its elements
   * @param length - the number of its elements, for a `DataView` of its bytes; up to the end if omitted
   * @throws `ERR_OUT_OF_RANGE` for a view that is misaligned or does not fit; and as {@link bytes} does
   */
  view<T extends ArrayBufferView>(type: ViewConstructor<T>, byteOffset: number = 0, length?: number): T {
    if (arguments.length > 3) throw surplus('view(type, byteOffset, length)', arguments.length)
    const look = (): Part => ({ buffer: this.#look(), start: this.#start, byteLength: this.#byteLength })
    return viewOf(type, look, byteOffset, length)
  }

  /**
   * Pins the region for I/O in flight or for C code that keeps its address: as long as a pin is held, its arena cannot
   * be reset, rewound or disposed, nor a region of it be freed. That throws `ERR_CMALLOC_PINNED`; an arena that goes out
   * of the scope of its `using` is disposed with the last pin.
   *
   * @param until - a promise or a stream with whose end the region is unpinned, as for `pin` of a `NativeBuffer`
   * @throws `ERR_CMALLOC_FREED`; `ERR_INVALID_ARG_TYPE`
   */
  pin(until?: PinUntil): Pin {
    if (arguments.length > 1) throw surplus('pin(until)', arguments.length)
    const wait = arguments.length > 0 ? checkUntil(until) : undefined
    this.#use('pin')
    return new Pin(this.#chunk.owner, wait)
  }

  /** @internal What `console.log` shows. */
  [INSPECT](): string {
    if (!(#chunk in this)) return 'Region {}'
    if (this.#isGone()) return 'Region { freed: true }'
    return `Region { address: 0x${addressOf(this).toString(16)}, byteLength: ${this.#byteLength} }`
  }

  /** The `ArrayBuffer` for a typed array of this region, whose memory may be in use from now on. */
  #look(): ArrayBuffer {
    this.#use('view')
    const [chunk, end] = [this.#chunk, this.#start + this.#byteLength]
    const { buffer } = bytesOf(chunk)
    this.#scope.viewed = true
    chunk.viewed = true
    chunk.viewedEnd = max(chunk.viewedEnd, end)
    return buffer
  }

  #isGone(): boolean {
    return this.#scope.generation !== this.#generation || this.#byteLength === 0
  }

  #use(operation: string): void {
    if (!this.#isGone()) return
    throw freed(operation, GONE)
  }
}

refuseAsArray(Region, 'Region', rightOf('region'))

export const { makeRegion, isRegion, placeOf, endRegion, addressOf, copyOfRegion } = inside
