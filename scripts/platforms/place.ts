/** What a place is in which the suite runs. */

import type { LeftOut } from './left-out.js'

export interface Place {
  name: string
  /** Whose binary is tested, by the name of its target. */
  target: string
  /** The tests that mean nothing there. */
  leftOut: readonly LeftOut[]
  /** What the table says beside the numbers. */
  remark: string
  /** Sets it up, and says how to run Node there; throws why it cannot be. */
  prepare(): Prepared
}

export interface Prepared {
  /** The Node that ava's main process runs on. */
  node: string
  /** Arguments for it. */
  flags?: readonly string[]
  env: Record<string, string>
  /** How many times slower than this machine. */
  patience: number
  /** Set if it is not set up as the table says, but in the next best way. */
  instead?: { remark: string; leftOut: readonly LeftOut[] }
}
