/** Blocks that leave their handle for another owner. */

import { DEBUG, noteEnd } from './debug.js'
import { createHandle, endHandle, type NativeBuffer } from './native-buffer.js'
import { recycleEmpty, refill } from './slots.js'

/** Moves a block, resized, to a new handle. Returns whether it could not be resized. */
export function moveHandle(source: NativeBuffer, byteLength: number): [moved: NativeBuffer, resizeFailed: boolean] {
  const [cell, resizeFailed] = endHandle(source, 'consume', ({ slot }) => slot.transfer(byteLength))
  refill(cell)
  if (DEBUG) noteEnd(source, 'consume()')
  return [createHandle(cell), resizeFailed]
}

/** Leaves a block to whoever has the ticket. Returns its length. */
export function handOverCell(source: NativeBuffer, ticket: string): number {
  const [cell] = endHandle(source, 'hand over', ({ slot }) => slot.handOver(ticket))
  if (DEBUG) noteEnd(source, 'handOver()')
  recycleEmpty(cell)
  return cell.byteLength
}
