/** Handles of another evaluation of cmalloc in this thread, of which a test runner makes one for each file. */

import { invalidType, otherCopy } from '../runtime/errors.js'
import { library } from '../runtime/native.js'
import { apply, defineProperty } from '../runtime/primordials.js'
import { toThisRealm } from '../runtime/realm.js'
import { givingUp } from './cache.js'
import { moveHandle } from './moves.js'
import { addressIfLive, addressOf, freeHandle, isNativeBuffer, NativeBuffer } from './native-buffer.js'
import { ticketFor, type Ticket } from './ticket.js'

/** By this, evaluations know the handles of each other. */
const REVEAL = Symbol.for('cmalloc.reveal')

/** What a handle reveals: nothing that those who have it could not do with it anyway. */
interface Revealed {
  /** The number of its copy of the addon. */
  readonly library: number
  address(): bigint
  /** `undefined` if the block is gone. */
  addressIfLive(): bigint | undefined
  free(): void
  handOver(): Ticket
  /** Resizes the block for its next owner, and hands it over. */
  move(byteLength: number): Moved
}

interface Moved extends Ticket {
  readonly resizeFailed: boolean
}

function reveal(this: unknown): Revealed | undefined {
  if (!isNativeBuffer(this)) return undefined
  return {
    library,
    address: () => addressOf(this),
    addressIfLive: () => addressIfLive(this),
    free: () => freeHandle(this),
    handOver: () => ticketFor(this),
    move: (byteLength) => {
      const [moved, resizeFailed] = givingUp(() => moveHandle(this, byteLength))
      return { ...ticketFor(moved), resizeFailed }
    },
  }
}

defineProperty(NativeBuffer.prototype, REVEAL, { value: reveal })

/** What a handle of another evaluation reveals; `undefined` if it is none. */
export function revealed(value: unknown): Revealed | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  try {
    const ask: unknown = (value as { [REVEAL]?: unknown })[REVEAL]
    return typeof ask === 'function' ? (apply(ask as typeof reveal, value, []) as Revealed | undefined) : undefined
  } catch {
    // A Proxy may throw anything: it is no handle.
    return undefined
  }
}

/**
 * Does something with a handle of another evaluation.
 *
 * @throws `ERR_INVALID_ARG_TYPE` if it is none, and what that evaluation throws
 */
export function withOther<T>(value: unknown, work: (other: Revealed) => T): T {
  const other = revealed(value)
  if (other === undefined) throw invalidType('buffer', 'a NativeBuffer', value)
  try {
    return work(other)
  } catch (error) {
    throw toThisRealm(error)
  }
}

/** Tickets are of one copy of the addon. */
export function ofThisCopy(other: Revealed, operation: string): Revealed {
  if (other.library !== library) throw otherCopy(operation)
  return other
}
