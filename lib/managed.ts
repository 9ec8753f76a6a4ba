/** Everything that managers of this thread have: where it is, and what is to be done as it ends. */

import { threadId } from 'node:worker_threads'
import { carryOut, type LastWill } from './death.js'
import { alreadyManaged } from './errors.js'
import { addressIfLive, isNativeBuffer } from './native-buffer.js'
import { AddressRanges, usableSize } from './native.js'
import { min, typedArray, unwatch, watch } from './primordials.js'
import type { AllocatedBuffer } from './allocator.js'

/**
 * What is known of a manager's memory. It must hold neither the manager nor, without a death stub, the buffer: as
 * soon as the manager is dropped, both can be collected, also in the middle of a synchronous loop.
 */
export interface Managed {
  /** A number that no other manager of the process has. */
  readonly identifier: number
  readonly address: bigint
  readonly byteLength: number
  /** Of a manager with a death stub. */
  readonly will: LastWill | undefined
  state: 'live' | 'dying' | 'gone'
  /** Where it is in the list of everything: the number by which its range names it. */
  place: number
}

/** Where the buffers are. It knows whether a buffer was collected, and does not keep it alive. */
const ranges = new AddressRanges()

/** By place. A list, in which adding to many is as cheap as to few. */
const everything: (Managed | undefined)[] = []
/** The places that are vacant: a stack of so many. */
const vacant: number[] = []
let vacancies = 0

const dropped = new FinalizationRegistry<Managed>((managed) => end(managed, false))

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
  const { address, byteLength } = managed
  while (!ranges.insert(address, byteLength, nextPlace(), buffer)) refuseOverlap(address, byteLength)
  managed.place = nextPlace()
  everything[managed.place] = managed
  if (vacancies > 0) vacancies -= 1
  watch(dropped, manager, managed, managed)
  if (managed.will === undefined || listensForExit) return
  listensForExit = true
  process.on('exit', endEverything)
}

function nextPlace(): number {
  return vacancies > 0 ? vacant[vacancies - 1]! : everything.length
}

/** The memory is gone, or nobody's business any more. */
export function forget(managed: Managed): void {
  if (managed.state === 'gone') return
  ranges.remove(managed.address, managed.place)
  drop(managed)
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
    const managed = everything[found.owner]!
    if (!isStale(managed)) {
      throw alreadyManaged(
        describe(address, byteLength),
        describe(managed.address, managed.byteLength),
        managed.identifier,
      )
    }
  }
}

/**
 * Takes a range out that is no longer its manager's, and says whether it was so: the buffer was collected, and the notice
 * of it comes in a later turn of the event loop, or it was freed behind the manager's back. The allocator may give the
 * memory to others then.
 */
function isStale(managed: Managed): boolean {
  const buffer = ranges.buffer(managed.address) as AllocatedBuffer | null
  if (buffer !== null && !hasEnded(buffer, managed.address)) return false
  // The buffer may have run code of the program's, which freed it.
  if (managed.state !== 'gone') ranges.remove(managed.address, managed.place)
  // Nobody has the manager any more, as it has its buffer.
  if (buffer === null) drop(managed)
  return true
}

/** Whether a buffer that is still there has no memory any more, or has it elsewhere. */
export function hasEnded(buffer: AllocatedBuffer, address: bigint): boolean {
  if (isNativeBuffer(buffer)) return addressIfLive(buffer) !== address
  try {
    return (buffer as { freed?: unknown }).freed === true || typedArray.byteLengthOf(buffer.bytes) === 0
  } catch (error) {
    return (error as { code?: unknown } | undefined)?.code === 'ERR_CMALLOC_FREED'
  }
}

function drop(managed: Managed): void {
  managed.state = 'gone'
  everything[managed.place] = undefined
  vacant[vacancies++] = managed.place
  unwatch(dropped, managed)
}

/** Ends what nobody has any more. */
function end(managed: Managed, atExit: boolean): void {
  if (managed.state !== 'live') return
  managed.state = 'dying'
  if (managed.will !== undefined) carryOut(managed.will, atExit)
  forget(managed)
}

/** As the thread or the process ends: calls the death stubs of all managers that are still alive. */
function endEverything(): void {
  for (let round = 0; round < ROUNDS_AT_EXIT; round++) {
    const mortal: Managed[] = []
    let count = 0
    for (let place = 0; place < everything.length; place++) {
      const managed = everything[place]
      if (managed?.will !== undefined && managed.state === 'live') mortal[count++] = managed
    }
    if (count === 0) return
    for (let index = 0; index < count; index++) end(mortal[index]!, true)
  }
}

function describe(address: bigint, byteLength: number): string {
  const last = address + BigInt(byteLength) - 1n
  return `the ${byteLength} bytes from 0x${address.toString(16)} to 0x${last.toString(16)}`
}
