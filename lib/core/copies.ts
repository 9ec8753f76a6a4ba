/** Copies of bytes, into blocks and out of them. None makes an `ArrayBuffer` over a block. */

import { invalidType, outOfRange } from '../runtime/errors.js'
import { isView, min, typedArray } from '../runtime/primordials.js'
import { index } from '../runtime/validate.js'
import { bytesOf } from './bytes-of.js'
import { allocateOrTake } from './cache.js'
import { UNINIT } from './init.js'
import { initialise, readFrom, writeInto, type Cell } from './slots.js'

/** A new cell with a copy of the bytes of a view or of a buffer. */
export function copyToCell(data: unknown): Cell {
  const bytes = bytesOf('data', data)
  const byteLength = typedArray.byteLengthOf(bytes)
  if (byteLength === 0) throw outOfRange('The length of data', 'at least one byte', 0)
  const cell = allocateOrTake(byteLength, UNINIT)
  initialise(cell, () => writeInto(cell, bytes, 0))
  return cell
}

/** A new cell with a copy of a part of a cell's block. `start` and `end` are indices into it. */
export function sliceOfCell(source: Cell, start: number, end: number): Cell {
  if (start >= end) throw outOfRange('The slice', 'at least one byte long', min(end - start, 0))
  const cell = allocateOrTake(end - start, UNINIT)
  initialise(cell, () => cell.slot.copyFrom(source.slot, start, end))
  return cell
}

/** Fills a view with what a cell's block has from `start` on. */
export function readCell(cell: Cell, into: unknown, start: unknown): void {
  if (!isView(into)) throw invalidType('into', 'a typed array, a DataView or a Buffer', into)
  const bytes = bytesOf('into', into)
  readFrom(cell, bytes, startOf(cell, 'into', bytes, start))
}

/** Copies the bytes of a view or of a buffer into a cell's block, from `start` on. */
export function writeCell(cell: Cell, from: unknown, start: unknown): void {
  const bytes = bytesOf('from', from)
  writeInto(cell, bytes, startOf(cell, 'from', bytes, start))
}

/** Where in a cell's block as many bytes begin as these are. */
function startOf(cell: Cell, name: string, bytes: Uint8Array, start: unknown): number {
  const first = index('start', start, 0, cell.byteLength)
  const room = cell.byteLength - first
  const wanted = typedArray.byteLengthOf(bytes)
  if (wanted > room)
    throw outOfRange(`The length of ${name}`, `at most the ${room} bytes that the block has there`, wanted)
  return first
}
