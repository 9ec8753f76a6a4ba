import { randomBytes } from 'node:crypto'
import { handOverCell } from './moves.js'
import type { NativeBuffer } from './native-buffer.js'

/**
 * Stands for a block on its way to another thread: a plain object, which can be posted, cloned and stored. Whoever
 * gets it can take the block over, once.
 */
export interface Ticket {
  /** Names the block; cannot be guessed. */
  readonly ticket: string
  /** The block's length in bytes. */
  readonly byteLength: number
}

/** Empties a handle, and returns a ticket for its block. */
export function ticketFor(buffer: NativeBuffer): Ticket {
  const ticket = randomBytes(16).toString('hex')
  return { ticket, byteLength: handOverCell(buffer, ticket) }
}
