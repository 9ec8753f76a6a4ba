import { invalidType } from '../runtime/errors.js'
import { mustBeVisit } from '../runtime/mistakes.js'
import { createHandle, isNativeBuffer, type NativeBuffer } from './native-buffer.js'
import { ofThisCopy, withOther } from './other.js'
import { takeOverIntoCell } from './slots.js'
import { ticketFor, type Ticket } from './ticket.js'

/**
 * Empties a handle, and returns a ticket for its block, for any thread of this process. Nothing is copied, views
 * become empty. Until somebody takes it over, the block stays alive and counts in `stats()`.
 *
 * If a process has loaded two copies of cmalloc, only the copy that made a ticket takes it.
 *
 * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_FREED`; `ERR_CMALLOC_PINNED`
 * @throws `ERR_CMALLOC_ESCAPED` if the block's `ArrayBuffer` was transferred away
 *
 * @example
 * ```ts
 * worker.postMessage(handOver(malloc(1024, 1, 'zero')))
 * // in the worker: parentPort.on('message', (ticket) => takeOver(ticket).free())
 * ```
 */
export function handOver(buffer: NativeBuffer): Ticket
export function handOver(buffer: NativeBuffer, key?: unknown, collection?: unknown): Ticket {
  if (arguments.length > 1) mustBeVisit('handOver(buffer)', arguments.length, key, collection)
  if (isNativeBuffer(buffer)) return ticketFor(buffer)
  return withOther(buffer, (other) => ({ ...ofThisCopy(other, 'hand over').handOver() }))
}

/**
 * A handle for the block of a ticket, the only one: a ticket is taken once.
 *
 * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CMALLOC_BAD_TICKET` if it was taken already, or is none of this process's, or of
 * another copy of cmalloc
 */
export function takeOver(ticket: Ticket): NativeBuffer
export function takeOver(ticket: Ticket, key?: unknown, collection?: unknown): NativeBuffer {
  if (arguments.length > 1) mustBeVisit('takeOver(ticket)', arguments.length, key, collection)
  if (typeof ticket !== 'object' || ticket === null) throw invalidType('ticket', 'a ticket of handOver()', ticket)
  const name: unknown = ticket.ticket
  if (typeof name !== 'string') throw invalidType('ticket.ticket', 'a string', name, 'Pass what handOver() returned')
  return createHandle(takeOverIntoCell(name))
}
