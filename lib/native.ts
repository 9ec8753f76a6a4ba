/** The native binding, and its raw calls: the one place where they are taken. */

import { isMainThread } from 'node:worker_threads'
import { loadBinding } from './binding.js'
import type * as native from '../index.js'

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
export type { AddressRange, ProcessStats, ThreadStats } from '../index.js'
export type BlockPool = native.BlockPool
export type IncrementalBlock = native.IncrementalBlock
export type Slot = native.Slot

/** The fast way to allocate into a slot and to free a slot's block, by the slot's key. */
export const hotPair: native.RawCalls = binding.takeRawCalls()

if (isMainThread) binding.endsWithProcess()
