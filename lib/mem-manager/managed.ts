/** Everything that managers of this thread have: where it is, and what is to be done as it ends. */

import { threadId } from 'node:worker_threads'
import type { AllocatedBuffer } from '../core/allocator.js'
import { alreadyManaged } from '../runtime/errors.js'
import { AddressRanges, usableSize } from '../runtime/native.js'
import { min, unwatch, watch } from '../runtime/primordials.js'
import { carryOut, hasEnded, type LastWill } from './death.js'

/**
 * What is known of a manager's memory. Without a will nothing here holds the buffer, nor is anything told of its
 * collection: dropped managers cost nothing, also in the middle of a synchronous loop.
 */
export interface Managed {
  /** A number that no other manager of the process has. */
  readonly identifier: number
  readonly address: bigint
  readonly byteLength: number
  /** Of a manager of whose end somebody must be told: its death stub, or its allocator. */
  readonly will: LastWill | undefined
  /** Its stub is called as it is dying, its allocator's `free` as it is ending. Either may be interrupted for good. */
  state: 'live' | 'dying' | 'ending' | 'gone'
  /** The place in the list of wills, if there is one. */
  place: number
}

/** Where the buffers are, by the identifiers of their managers. */
const ranges = new AddressRanges()

/** Those with a will, by place: a list, in which adding to many is as cheap as to few. */
const mortal: (Managed | undefined)[] = []
/** The places that are vacant: a stack of so many. */
const vacant: number[] = []
let vacancies = 0

const collected = new FinalizationRegistry<Managed>((managed) => end(managed, false))

/** Identifiers count up in each thread, from a number that is its own. */
const FIRST_IDENTIFIER = threadId * 2 ** 32 + 1
let identifiers = 0

/** So often at most are those ended at exit that death stubs of others have made meanwhile. */
const ROUNDS_AT_EXIT = 10
let listensForExit = false

export function nextIdentifier(): number {
  return FIRST_IDENTIFIER + identifiers++
}

/**
 * Takes note of a buffer, until its manager is collected or {@link forget} is called.
 *
 * @throws `ERR_CMALLOC_ALREADY_OWNED` if it overlaps what another manager has
 */
export function note(manager: object, managed: Managed, buffer: AllocatedBuffer): void {
  const { address, byteLength, identifier } = managed
  while (!ranges.insert(address, byteLength, identifier, buffer)) refuseOverlap(address, byteLength)
  if (managed.will !== undefined) expect(manager, managed)
}

/** Sees to it that a will is carried out. */
function expect(manager: object, managed: Managed): void {
  managed.place = vacancies > 0 ? vacant[--vacancies]! : mortal.length
  mortal[managed.place] = managed
  watch(collected, manager, managed, managed)
  if (listensForExit) return
  listensForExit = true
  process.on('exit', endAll)
}

/** The memory is gone, or nobody's business any more. */
export function forget(managed: Managed): void {
  if (managed.state === 'gone') return
  managed.state = 'gone'
  ranges.remove(managed.address, managed.identifier)
  if (managed.will === undefined) return
  mortal[managed.place] = undefined
  vacant[vacancies++] = managed.place
  unwatch(collected, managed)
}

/**
 * Refuses a block that is to be consumed, if it overlaps what a manager has. Of an address that makes no sense nothing
 * is said here: `consume` does.
 *
 * @throws `ERR_CMALLOC_ALREADY_OWNED`
 */
export function refuseManaged(address: bigint, byteLength: number): void {
  // Behind the block's end others may be, where it is to grow. How long it is is asked only if there are.
  refuseOverlap(address, 1)
  if (ranges.overlapping(address, byteLength) === null) return
  const held = min(byteLength, usableSize(address))
  if (held > 1) refuseOverlap(address, held)
}

function refuseOverlap(address: bigint, byteLength: number): void {
  for (;;) {
    const found = ranges.overlapping(address, byteLength)
    if (found === null) return
    const { address: start, byteLength: length, owner } = found
    const buffer = ranges.buffer(start) as AllocatedBuffer | null
    if (buffer !== null && !hasEnded(buffer, start)) {
      throw alreadyManaged(describe(address, byteLength), describe(start, length), owner)
    }
    // It was freed behind its manager's back: the allocator may give the memory to others.
    ranges.remove(start, owner)
  }
}

/** Ends what nobody has any more, or will have. */
function end(managed: Managed, atExit: boolean): void {
  const { state, will } = managed
  if (state === 'gone') return
  managed.state = 'dying'
  // Where the allocator was interrupted nobody knows whether it has freed the buffer: it is not asked twice.
  if (will !== undefined && state !== 'ending') carryOut(will, atExit)
  forget(managed)
}

/** As the thread or the process ends: carries out the wills of all managers that are still alive. */
function endAll(): void {
  for (let round = 0; round < ROUNDS_AT_EXIT; round++) {
    const alive: Managed[] = []
    let count = 0
    for (let place = 0; place < mortal.length; place++) {
      const managed = mortal[place]
      if (managed?.state === 'live') alive[count++] = managed
    }
    if (count === 0) return
    for (let index = 0; index < count; index++) end(alive[index]!, true)
  }
}

function describe(address: bigint, byteLength: number): string {
  const last = address + BigInt(byteLength) - 1n
  return `the ${byteLength} bytes from 0x${address.toString(16)} to 0x${last.toString(16)}`
}
