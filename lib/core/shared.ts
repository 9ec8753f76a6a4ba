import type { Cell } from './slots.js'

/**
 * The `SharedArrayBuffer` over a cell's block. The cell keeps it, so that it is the same object as long as the block is the
 * same.
 */
export function sharedOf(cell: Cell): SharedArrayBuffer {
  return (cell.shared ??= cell.slot.share())
}
