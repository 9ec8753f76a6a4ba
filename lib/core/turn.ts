/** Tells the binding when the event loop turns after views were made. */

import { weakenBuffers } from '../runtime/native.js'
import { afterThis, setImmediate, unrefImmediate } from '../runtime/primordials.js'

/** After so many views it is armed again: JavaScript may have been stopped before the last `afterThis`. */
const AGAIN = 4096

let isArmed = false
let views = 0

/**
 * Notes that a view was made. The binding holds its `ArrayBuffer` by a strong reference until the event loop turns: then
 * it weakens all of them. The first view of a turn arms that, the others cost nothing.
 */
export function noteView(): void {
  views += 1
  if (isArmed && views % AGAIN !== 0) return
  // Before the call, in which a hook of the program may run and make a view.
  isArmed = true
  afterThis(arm)
}

/**
 * Runs in a microtask. A view can be made where JavaScript may be stopped, by a timeout of `vm` or an overflow of the
 * stack. Were it stopped inside of `setImmediate`, Node would count an immediate that never runs, and never exit.
 */
function arm(): void {
  unrefImmediate(setImmediate(endTurn))
}

function endTurn(): void {
  isArmed = false
  weakenBuffers()
}
