/** Tells the binding when the event loop turns after views were made. */

import { weakenBuffers } from '../runtime/native.js'
import { afterThis, setImmediate, unrefImmediate } from '../runtime/primordials.js'

/** After so many views it is asked for again: JavaScript may have been stopped between the two lines that do so. */
const AGAIN = 4096

let isArmed = false
let views = 0

/**
 * Notes that a view was made: as the loop turns, the binding lets go of the `ArrayBuffer`s that it holds. The first
 * call in a turn asks for that, the others cost nothing.
 */
export function noteView(): void {
  views += 1
  if (isArmed && views % AGAIN !== 0) return
  // First: a hook of the program that runs in there may make a view, too.
  isArmed = true
  afterThis(arm)
}

/**
 * By a microtask, as a view can be made where JavaScript may be stopped: by a timeout of `vm`, or as the stack ends. In
 * the middle of `setImmediate` that leaves Node with a count that is never right again, and a process that never ends.
 */
function arm(): void {
  unrefImmediate(setImmediate(endTurn))
}

function endTurn(): void {
  isArmed = false
  weakenBuffers()
}
