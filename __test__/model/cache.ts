import { perThread, setCacheLimit, type NativeBuffer } from 'cmalloc'
import { ensure } from '../random/ensure.js'
import * as libc from '../support/libc.js'

/** What a thread keeps unless told otherwise, and the longest block that it keeps. */
const LIMIT = 4 * 2 ** 20
const LONGEST = 2 ** 20

const HAS_CACHE = process.env['CMALLOC_CACHE'] !== '0'

/** What becomes of a block that is freed; `perhaps` if that depends on who has its bytes. */
export type Fate = 'kept' | 'gone' | 'perhaps'

interface Kept {
  readonly address: bigint
  readonly shadow: Buffer
}

interface Counts {
  readonly blocks: number
  readonly bytes: number
  /** It grows with every `malloc` and every `free`. */
  readonly calls: number
}

function look(): Counts {
  const { allocations, explicitFrees, cachedBlocks, cachedBytes } = perThread()
  return { blocks: cachedBlocks, bytes: cachedBytes, calls: allocations + explicitFrees }
}

/**
 * What is known of the cache of freed blocks: which it has, and the bytes that each had as it was freed, which nobody may have
 * written to. Of what is freed and allocated in other ways it is not told: then it forgets everything.
 */
export class CacheModel {
  #kept: Kept[] = []
  #limit = 0
  #last: Counts = look()

  constructor() {
    setCacheLimit(0)
    this.limit = LIMIT
  }

  get limit(): number {
    return this.#limit
  }

  set limit(bytes: number) {
    setCacheLimit(bytes)
    this.#limit = HAS_CACHE ? bytes : 0
    this.#settle()
  }

  /** Frees a block, whose fate must be this one. */
  free({ handle, shadow }: { handle: NativeBuffer; shadow: Buffer }, fate: Fate, free: () => void): void {
    const { address, byteLength } = handle
    this.#settle()
    const before = this.#last
    const isRoom = byteLength <= LONGEST && before.bytes + byteLength <= this.#limit
    free()
    const after = look()
    const isKept = after.blocks === before.blocks + 1 && after.bytes === before.bytes + byteLength
    if (fate === 'kept' && isRoom) ensure(isKept, 'a block was not kept')
    if (fate === 'gone') ensure(after.blocks <= before.blocks, 'a block was kept that must not be')
    // The oldest go where there is no room.
    if (!isRoom || after.blocks < before.blocks) this.#kept = []
    if (isKept) this.#kept.push({ address, shadow: Buffer.from(shadow) })
    this.#last = after
  }

  /** Allocates a block as plain `malloc` does. It is the one of its length that was kept last. */
  allocate(byteLength: number, isFilled: boolean, allocate: () => NativeBuffer): NativeBuffer {
    this.#settle()
    const [before, isComplete] = [this.#last, this.#kept.length === this.#last.blocks]
    const expected = this.#kept.findLast(({ shadow }) => shadow.length === byteLength)
    const handle = allocate()
    const after = (this.#last = look())
    const isTaken = after.blocks === before.blocks - 1 && after.bytes === before.bytes - byteLength
    ensure(isTaken || after.blocks === before.blocks, 'the cache has lost blocks')
    if (expected === undefined) {
      ensure(!isTaken || !isComplete, 'the cache had no block of that length')
      return handle
    }
    this.#kept.splice(this.#kept.indexOf(expected), 1)
    ensure(isTaken && handle.address === expected.address, 'it is not the block that was kept last')
    const isAsItWas = libc.memcmp(handle.address, expected.shadow, byteLength) === 0
    ensure(isFilled || isAsItWas, 'somebody has written to a block that was kept')
    return handle
  }

  /** Nobody may have a block that is kept, nor write to it. */
  check(owned: Iterable<{ address: bigint }>): void {
    this.#settle()
    ensure(this.#last.bytes <= this.#limit, 'more is kept than may be')
    const addresses = new Set(this.#kept.map(({ address }) => address))
    for (const { address } of owned) ensure(!addresses.has(address), 'a block is kept that somebody has')
  }

  checkBytes(): void {
    this.#settle()
    for (const { address, shadow } of this.#kept)
      ensure(libc.memcmp(address, shadow, shadow.length) === 0, 'somebody has written to a block that is kept')
  }

  /** Forgets everything if blocks were freed or allocated meanwhile. */
  #settle(): void {
    const now = look()
    const isSame = now.calls === this.#last.calls && now.blocks === this.#last.blocks && now.bytes === this.#last.bytes
    if (!isSame) this.#kept = []
    this.#last = now
  }
}
