import type { Cell } from './slots.js'

/**
 * The `SharedArrayBuffer` over a cell's block. The cell keeps it, so that it is the same object as long as the block is the
 * same. The cache never has such a block: other threads may use its bytes after its end.
 */
export function sharedOf(cell: Cell): SharedArrayBuffer {
  cell.kept = false
  return (cell.shared ??= cell.slot.share())
}
