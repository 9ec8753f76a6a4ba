/** The native binding, typed. */

import { isMainThread } from 'node:worker_threads'
import type * as native from '../../index.js'
import { loadBinding } from './binding.js'
import { warnOfCopies } from './copies.js'
import { isOfThisRealm, translated, translatedBinding } from './realm.js'

const loaded = loadBinding()

const isPlain = isOfThisRealm(loaded.takeRawCalls)

// Where it is of this realm, which is nearly everywhere, calls of it cost nothing more.
const binding = isPlain ? loaded : translatedBinding(loaded)

export const {
  addressOfArrayBuffer,
  AddressRanges,
  beginConsume,
  BlockPool,
  debugMode,
  endConsume,
  IncrementalBlock,
  mayBeInUse,
  noteAllocation,
  perThread,
  reportAtExit,
  setMemoryLimit,
  Slot,
  stats,
  trim,
  usableSize,
  weakenBuffers,
} = binding
export type { AddressRange, ProcessStats, ThreadStats } from '../../index.js'
export type AddressRanges = native.AddressRanges
export type BlockPool = native.BlockPool
export type IncrementalBlock = native.IncrementalBlock
export type Slot = native.Slot

/** A function that uses what `binding` does not translate; what it throws is of this realm. */
export const ofThisRealm: <F>(call: F) => F = isPlain ? (call) => call : translated

/**
 * Functions that allocate into a slot and free its block, by the slot's key. They are faster than its methods, and know
 * only slots that were made with their `owner`.
 */
export const rawCalls = binding.takeRawCalls()

/** The number of this copy of the addon: no other in the process has it. */
export const { library } = rawCalls

warnOfCopies(library)
if (isMainThread) binding.endsWithProcess()
