import type { Bytes } from '../runtime/bytes.js'
import type { NativeBuffer } from './native-buffer.js'
import type { Cell } from './slots.js'

/** What other files do with handles, even if a program has replaced their methods. The class defines it. */
export interface Inside {
  /** Makes a handle that owns a cell's block. */
  createHandle: (cell: Cell, byteLength: number) => NativeBuffer
  /** Whether a value is a handle, freed or not; runs no code of the value's. */
  isNativeBuffer: (value: unknown) => value is NativeBuffer
  addressOf: (buffer: NativeBuffer) => bigint
  /** `undefined` if the block is gone. */
  addressIfLive: (buffer: NativeBuffer) => bigint | undefined
  /** A copy of a part of the block. It makes no `ArrayBuffer` over the block, which may then be swept. */
  copyOut: (buffer: NativeBuffer, start: number, byteLength: number) => Bytes
  freeHandle: (buffer: NativeBuffer) => void
  freeHandleNow: (buffer: NativeBuffer) => void
  /** Moves the block, resized, to a new handle. Returns whether it could not be resized. */
  moveHandle: (source: NativeBuffer, byteLength: number) => [moved: NativeBuffer, resizeFailed: boolean]
  /** Leaves the block to whoever has the ticket. Returns its length. */
  handOverCell: (source: NativeBuffer, ticket: string) => number
}
