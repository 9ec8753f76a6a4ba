/** Bytes are copied out and in without a view, and shared with other threads. */

import { types } from 'node:util'
import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import { kindOf } from '../kind.js'
import { attempt, BAD_ARGUMENT, mustFail } from '../outcome.js'
import { copyOf, within } from '../rules.js'
import { bytes, bytesOf, index, init, make, register } from '../values.js'
import type { World } from '../world.js'

const FREED = 'ERR_CMALLOC_FREED'

/** The same bytes as another kind of object. */
const AS = ['view', 'DataView', 'Float64Array', 'buffer', 'length-tracking'] as const

function shape(value: unknown, as: (typeof AS)[number]): unknown {
  if (!ArrayBuffer.isView(value) || copyOf(value as Uint8Array).length === 0) return value
  const { buffer, byteOffset, byteLength } = value
  if (as === 'DataView') return new DataView(buffer, byteOffset, byteLength)
  if (as === 'buffer') return buffer
  // Of as many bytes as its buffer has, whatever that becomes.
  if (as === 'length-tracking') return new Uint8Array(buffer, byteOffset)
  return byteOffset % 8 === 0 && byteLength >= 8 ? new Float64Array(buffer, byteOffset, byteLength >> 3) : value
}

/** What a call can copy from or to; `undefined` for what is neither a view nor a buffer. */
function seen(value: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) {
    try {
      return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    } catch {
      return new Uint8Array()
    }
  }
  return types.isAnyArrayBuffer(value) ? new Uint8Array(value) : undefined
}

const made = fc.record({
  of: register,
  data: fc.oneof(bytes, bytesOf, init),
  as: fc.constantFrom(...AS),
  start: index,
})

/** A copy may go to another block, through a view of that. */
function unknown(world: World): void {
  for (const block of world.blocks) if (block !== undefined) block.first = block.last = undefined
}

const read = kindOf('block.read', 5, made, (world, block, { data, as, start }) => {
  const [into, from] = [shape(make(world, data), as), make(world, start)]
  const before = world.effects
  const first = seen(into)?.slice()
  const outcome = attempt(() => block.handle.read(into as Uint8Array, from as number), [...BAD_ARGUMENT, FREED])
  ensure(world.effects === before, 'an argument was converted')
  if (!block.alive) return mustFail(outcome, FREED)
  const bytesThere = seen(into)
  const at = within(from, 0, block.byteLength)
  const fits = bytesThere !== undefined && at !== undefined && bytesThere.length <= block.byteLength - at
  if (!ArrayBuffer.isView(into) || !fits) {
    mustFail(outcome, ...BAD_ARGUMENT)
    return ensure(Buffer.compare(first ?? Buffer.of(), bytesThere ?? Buffer.of()) === 0, 'a refused call has written')
  }
  ensure(outcome.ok && outcome.value === into, 'read did not return its view')
  if (bytesThere.length === 0) return
  if (at === 0 && block.first !== undefined) ensure(bytesThere[0] === block.first, 'the first byte is another')
  unknown(world)
})

const write = kindOf('block.write', 5, made, (world, block, { data, as, start }) => {
  const [from, at] = [shape(make(world, data), as), make(world, start)]
  const before = world.effects
  const source = seen(from)?.slice()
  const outcome = attempt(() => block.handle.write(from as Uint8Array, at as number), [...BAD_ARGUMENT, FREED])
  ensure(world.effects === before, 'an argument was converted')
  if (!block.alive) return mustFail(outcome, ...BAD_ARGUMENT, FREED)
  const first = within(at, 0, block.byteLength)
  if (source === undefined || first === undefined || source.length > block.byteLength - first)
    return mustFail(outcome, ...BAD_ARGUMENT)
  ensure(outcome.ok && outcome.value === block.handle, 'write did not return its buffer')
  if (source.length === 0) return
  if (block.moved) world.strayWritten()
  if (first === 0) block.first = source[0]
  if (first + source.length === block.byteLength) block.last = source.at(-1)
  else if (block.byteLength === 1) block.last = block.first
})

const share = kindOf('shared', 3, fc.record({ of: register, value: fc.nat(255) }), (_world, block, { value }) => {
  const outcome = attempt(() => block.handle.shared, [FREED, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM'])
  if (!outcome.ok) return ensure(block.alive === (outcome.code !== FREED), `${outcome.code} for a block`)
  ensure(block.alive && outcome.value.byteLength === block.byteLength, 'what is shared is not the block')
  ensure(block.shared === undefined || block.shared === outcome.value, 'there are two SharedArrayBuffers')
  block.shared = outcome.value
  const shared = new Uint8Array(outcome.value)
  shared[0] = shared[shared.length - 1] = block.first = block.last = value
})

export const COPY_KINDS = [read, write, share]
