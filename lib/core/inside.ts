import type { Bytes } from '../runtime/bytes.js'
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
  /** A copy of a part of the block. It makes no `ArrayBuffer` over the block, which may then be swept. */
  copyOut: (buffer: Handle, start: number, byteLength: number) => Bytes
  freeHandle: End<Handle>
  freeHandleNow: End<Handle>
  /** Moves the block, resized, to a new handle. Returns whether it could not be resized. */
  moveHandle: (source: Handle, byteLength: number) => [moved: Handle, resizeFailed: boolean]
  /** Leaves the block to whoever has the ticket. Returns its length. */
  handOverCell: (source: Handle, ticket: string) => number
}
