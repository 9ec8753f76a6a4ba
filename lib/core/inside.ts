import type { Cell } from './slots.js'

/** Ends a handle. Only the debug mode asks for what it returns: why the block was let go. */
export type End<Handle> = (buffer: Handle) => unknown

/** What other files do with handles, even if a program has replaced their methods. The class defines it. */
export interface Inside<Handle> {
  /** Makes a handle that owns a cell's block. */
  createHandle: (cell: Cell) => Handle
  /** Whether a value is a handle, freed or not; runs no code of the value's. */
  isNativeBuffer: (value: unknown) => value is Handle
  addressOf: (buffer: Handle) => bigint
  /** `undefined` if the block is gone. */
  addressIfLive: (buffer: Handle) => bigint | undefined
  /** The cell of a handle whose block must be there. */
  cellOf: (buffer: Handle, operation: string) => Cell
  freeHandle: End<Handle>
  freeHandleNow: End<Handle>
  /** Empties a handle, and calls what takes its block. */
  endHandle: <T>(buffer: Handle, operation: string, end: (cell: Cell) => T) => [cell: Cell, result: T]
}
