import { noteEnd, noteLetGo } from './debug.js'
import type { End } from './inside.js'
import { REQUEST, type Cell } from './slots.js'

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
