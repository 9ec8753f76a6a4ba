import type { Slot } from '../runtime/native.js'
import { noteEnd, noteLetGo, noteOrigin } from './debug.js'
import type { End } from './inside.js'
import { REQUEST, type Cell, type Reason } from './slots.js'

/** An end of handles of which the debug mode takes notes. */
export function noted<Handle extends object>(
  end: End<Handle>,
  operation: string,
  cellOf: (buffer: Handle) => Cell,
): End<Handle> {
  return (buffer) => {
    const { slot, byteLength } = cellOf(buffer)
    try {
      if (end(buffer) === REQUEST) noteLetGo(buffer, byteLength, operation)
    } finally {
      // A corrupt block is freed too, although that throws.
      if (slot.freed) noteEnd(buffer, operation)
    }
  }
}

/** Notes that a handle's block was resized, and for whom the old one of so many bytes was let go. */
export function noteResize(handle: object, slot: Slot, reason: Reason, byteLength: number): void {
  if (reason === REQUEST) noteLetGo(handle, byteLength, 'resize()')
  // A block that was let go was copied: it is a new one.
  noteOrigin(handle, slot)
}
