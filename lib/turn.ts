/** Tells the binding when the event loop turns after views were made. */

import { weakenBuffers } from './native.js'
import { setImmediate, unrefImmediate } from './primordials.js'

let isArmed = false

/**
 * Notes that a view was made: as the loop turns, the binding lets go of the `ArrayBuffer`s that it holds. The first
 * call in a turn asks for that, the others cost nothing.
 */
export function noteView(): void {
  if (isArmed) return
  unrefImmediate(setImmediate(endTurn))
  // Last: what is interrupted before asks once too often, and never not at all.
  isArmed = true
}

function endTurn(): void {
  isArmed = false
  weakenBuffers()
}
