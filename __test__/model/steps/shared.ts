/** Blocks whose bytes a `SharedArrayBuffer` has: those stay right after the block's end, for whoever has them. */

import { malloc } from 'cmalloc'
import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import { kind, kindOf, none, pick } from '../kind.js'

/** Whether the runtime has them. */
const HAS_SHARED = (() => {
  const block = malloc(1)
  try {
    return block.shared.byteLength === 1
  } catch {
    return false
  } finally {
    block.free()
  }
})()

const share = kindOf('share', 3, fc.nat(255), (_world, block, value) => {
  if (!HAS_SHARED) return
  const { shared } = block.handle
  ensure(block.shared === undefined || block.shared === shared, 'there are two SharedArrayBuffers')
  ensure(shared.byteLength === block.shadow.length, 'a SharedArrayBuffer has another length')
  block.shared = shared
  block.plain = false
  new Uint8Array(shared)[0] = block.shadow[0] = value
})

const writeShared = kind(
  'write to shared bytes',
  2,
  fc.record({ which: fc.nat(), value: fc.nat(255) }),
  ({ sharers }, { which, value }) => {
    const found = pick(sharers, which)
    if (found === undefined) return
    const bytes = new Uint8Array(found.shared)
    bytes[bytes.length - 1] = found.shadow[bytes.length - 1] = value
  },
)

const dropShared = kind('drop shared bytes', 2, fc.nat(), ({ sharers }, which) => {
  sharers.splice(which % Math.max(sharers.length, 1), 1)
})

/** Another object over the same bytes, as another thread has it. */
const cloneShared = kind('clone shared bytes', 1, none, ({ sharers }) => {
  const first = sharers[0]
  if (first !== undefined) sharers[0] = { shared: structuredClone(first.shared), shadow: first.shadow }
})

export const SHARED_KINDS = [share, writeShared, dropShared, cloneShared]
