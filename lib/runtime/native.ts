/** The native binding, typed. */

import { isMainThread } from 'node:worker_threads'
import type * as native from '../../index.js'
import { loadBinding } from './binding.js'

const binding = loadBinding()

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
  usableSize,
  weakenBuffers,
} = binding
export type { AddressRange, ProcessStats, ThreadStats } from '../../index.js'
export type BlockPool = native.BlockPool
export type IncrementalBlock = native.IncrementalBlock
export type Slot = native.Slot

/**
 * Functions that allocate into a slot and free its block, by the slot's key. They are faster than its methods, and know
 * only slots that were made with their `owner`.
 */
export const rawCalls = binding.takeRawCalls()

if (isMainThread) binding.endsWithProcess()
