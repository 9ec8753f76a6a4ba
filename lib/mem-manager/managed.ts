/** The memory of all managers of this thread: where it is, and the cleanup at its end. */

import { threadId } from 'node:worker_threads'
import type { AllocatedBuffer } from '../core/allocator.js'
import { alreadyManaged } from '../runtime/errors.js'
import { AddressRanges, ofThisRealm, usableSize } from '../runtime/native.js'
import { min, unwatch, watch } from '../runtime/primordials.js'
import { thread, whenItEnds } from '../runtime/thread.js'
import { hasEnded, runCleanup, type Cleanup } from './death.js'

/**
 * A manager's memory. Without a cleanup nothing here holds the buffer or waits for its collection: a dropped manager
 * then costs nothing, even in a synchronous loop.
 */
export interface Managed {
  /** A number that no other manager of the process has. */
  readonly identifier: number
  readonly address: bigint
  readonly byteLength: number
  /** For a manager whose death stub or allocator must be told of its end. */
  readonly cleanup: Cleanup | undefined
  /** Its stub is called as it is dying, its allocator's `free` as it is ending. Either may be interrupted for good. */
  state: 'live' | 'dying' | 'ending' | 'gone'
  /** The index in {@link pending}, if there is a cleanup. */
  place: number
}

/** Where the buffers of all evaluations are, by the identifiers of their managers. */
const ranges = (thread['shared ranges'] ??= new AddressRanges()) as AddressRanges
const insert = ofThisRealm((address: bigint, byteLength: number, identifier: number, buffer: AllocatedBuffer) =>
  ranges.insert(address, byteLength, identifier, buffer),
)
const overlapping = ofThisRealm((address: bigint, byteLength: number) => ranges.overlapping(address, byteLength))

/** Those with a cleanup, by place. An array: adding takes as long for many as for few. */
const pending: (Managed | undefined)[] = []
/** The vacant places: a stack, of which the first {@link vacancies} count. */
const vacant: number[] = []
let vacancies = 0

const collected = new FinalizationRegistry<Managed>((managed) => end(managed, false))

/** Identifiers count up in each thread, from a number that is its own. */
const FIRST_IDENTIFIER = threadId * 2 ** 32 + 1

/** At exit a death stub may make managers, whose stubs may make others: so many rounds of them are ended. */
const ROUNDS_AT_EXIT = 10
/** Stops that, while there is something to end. */
let stopListening: (() => void) | undefined

export function nextIdentifier(): number {
  return FIRST_IDENTIFIER + thread.identifiers++
}

/**
 * Registers a buffer, until its manager is collected or {@link unregister} is called.
 *
 * @throws `ERR_CMALLOC_ALREADY_OWNED` if it overlaps what another manager has
 */
export function register(manager: object, managed: Managed, buffer: AllocatedBuffer): void {
  const { address, byteLength, identifier } = managed
  while (!insert(address, byteLength, identifier, buffer)) refuseOverlap(address, byteLength)
  if (managed.cleanup !== undefined) watchEnd(manager, managed)
}

/** Runs the cleanup when the manager is collected, or at exit. */
function watchEnd(manager: object, managed: Managed): void {
  managed.place = vacancies > 0 ? vacant[--vacancies]! : pending.length
  pending[managed.place] = managed
  watch(collected, manager, managed, managed)
  stopListening ??= whenItEnds(endAll)
}

/** The memory is freed, or managed no more. */
export function unregister(managed: Managed): void {
  if (managed.state === 'gone') return
  managed.state = 'gone'
  ranges.remove(managed.address, managed.identifier)
  if (managed.cleanup === undefined) return
  pending[managed.place] = undefined
  vacant[vacancies++] = managed.place
  if (vacancies === pending.length) listenNoMore()
  unwatch(collected, managed)
}

/** Lets go of this evaluation: nobody may have it any more but the end of the thread. */
function listenNoMore(): void {
  stopListening?.()
  stopListening = undefined
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
  if (overlapping(address, byteLength) === null) return
  const held = min(byteLength, usableSize(address))
  if (held > 1) refuseOverlap(address, held)
}

function refuseOverlap(address: bigint, byteLength: number): void {
  for (;;) {
    const found = overlapping(address, byteLength)
    if (found === null) return
    const { address: start, byteLength: length, owner } = found
    const buffer = ranges.buffer(start) as AllocatedBuffer | null
    if (buffer !== null && !hasEnded(buffer, start)) {
      throw alreadyManaged(describe(address, byteLength), describe(start, length), owner)
    }
    // The buffer was freed without its manager: the allocator may give the memory to others.
    ranges.remove(start, owner)
  }
}

/** Ends a manager that was collected, or that is still alive at exit. */
function end(managed: Managed, atExit: boolean): void {
  const { state, cleanup } = managed
  if (state === 'gone') return
  managed.state = 'dying'
  // Where the allocator was interrupted nobody knows whether it has freed the buffer: it is not asked twice.
  if (cleanup !== undefined && state !== 'ending') runCleanup(cleanup, atExit)
  unregister(managed)
}

/** At the end of the thread or the process: runs the cleanups of all managers that are still alive. */
function endAll(): void {
  for (let round = 0; round < ROUNDS_AT_EXIT; round++) {
    const alive: Managed[] = []
    let count = 0
    for (let place = 0; place < pending.length; place++) {
      const managed = pending[place]
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
