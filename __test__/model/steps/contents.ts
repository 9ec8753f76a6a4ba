/** Bytes are read and written: through views, by fill, by C. */

import { NativeBuffer } from 'cmalloc'
import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import * as libc from '../../support/libc.js'
import { kindOf, mustThrow, unlessEscaped } from '../kind.js'
import { bytesOf, init, position, rangeOf } from '../values.js'
import type { Block } from '../world.js'

const ends = fc.tuple(position, position)

/** The bytes through the block's ArrayBuffer, or nothing if other JavaScript has them. */
export function bytesThrough(block: Block): Uint8Array<ArrayBuffer> | undefined {
  const bytes = unlessEscaped(block, () => block.handle.bytes)?.value
  if (bytes === undefined) return undefined
  const { buffer } = block.handle
  ensure(bytes.buffer === buffer, 'the bytes are of another ArrayBuffer')
  ensure(block.buffer === undefined || block.buffer === buffer, 'there are two ArrayBuffers')
  ensure(buffer.byteLength === block.shadow.length && bytes.length === block.shadow.length, 'the view is another')
  block.buffer = buffer
  return bytes
}

const read = kindOf('read', 5, fc.constant(undefined), (_world, block) => {
  const bytes = bytesThrough(block)
  if (bytes === undefined) return
  ensure(block.shadow.equals(bytes), 'the bytes that JavaScript sees are others')
  block.views.push(bytes)
})

const write = kindOf('write', 5, fc.record({ at: position, value: fc.nat(255) }), (_world, block, { at, value }) => {
  const bytes = bytesThrough(block)
  const index = Math.floor(at * (block.shadow.length - 1))
  if (bytes !== undefined) bytes[index] = block.shadow[index] = value
})

const TYPES = { Uint8Array, Uint8ClampedArray, Int16Array, Uint32Array, Float64Array, BigInt64Array, DataView, Buffer }

const view = kindOf(
  'view',
  5,
  fc.record({ type: fc.constantFrom(...(Object.keys(TYPES) as (keyof typeof TYPES)[])), ends, value: fc.nat(255) }),
  (_world, block, made) => {
    const type = TYPES[made.type] as unknown as typeof Uint8Array
    const size = type === (Buffer as unknown) ? 1 : (type.BYTES_PER_ELEMENT ?? 1)
    const [from, to] = rangeOf(made.ends, Math.floor(block.shadow.length / size))
    const seen = unlessEscaped(block, () => block.handle.view(type, from * size, to - from))?.value
    if (seen === undefined) return
    ensure(seen.byteOffset === from * size && seen.byteLength === (to - from) * size, 'the view is another')
    const bytes = new Uint8Array(seen.buffer, seen.byteOffset, seen.byteLength)
    ensure(block.shadow.subarray(from * size, to * size).equals(bytes), 'the view shows others')
    bytes.fill(made.value)
    block.shadow.fill(made.value, from * size, to * size)
    block.buffer = seen.buffer
    block.views.push(seen)
  },
)

const fill = kindOf('fill', 5, fc.record({ init, ends }), (_world, block, made) => {
  const [from, to] = rangeOf(made.ends, block.shadow.length)
  ensure(block.handle.fill(made.init, from, to) === block.handle, 'fill did not return its buffer')
  if (from < to) block.shadow.set(bytesOf(made.init, to - from), from)
})

/** The pattern is a part of the very block, before or behind or across what is filled. */
const fillFromItself = kindOf('fill from itself', 2, fc.tuple(ends, ends), (_world, block, [source, target]) => {
  const bytes = bytesThrough(block)
  const [start, end] = rangeOf(source, block.shadow.length)
  const [from, to] = rangeOf(target, block.shadow.length)
  if (bytes === undefined || start === end || from === to) return
  const pattern = Uint8Array.from(block.shadow.subarray(start, end))
  block.handle.fill(bytes.subarray(start, end), from, to)
  block.shadow.set(bytesOf(pattern, to - from), from)
})

const writeInC = kindOf(
  'write in C',
  4,
  fc.record({ ends, value: fc.nat(255) }),
  (_world, block, { ends: both, value }) => {
    const [from, to] = rangeOf(both, block.shadow.length)
    if (from === to) return
    libc.memset(block.handle.address + BigInt(from), value, to - from)
    block.shadow.fill(value, from, to)
  },
)

const copyBetween = kindOf('copy between blocks', 3, fc.nat(), (world, block, which) => {
  const source = world.blocks[which % world.blocks.length]!
  const [from, to] = [bytesThrough(source), bytesThrough(block)]
  if (from === undefined || to === undefined) return
  const count = Math.min(from.length, to.length)
  to.set(from.subarray(0, count))
  block.shadow.set(source.shadow.subarray(0, count))
})

const copyNew = kindOf('from a view', 2, ends, (world, block, both) => {
  const [start, end] = rangeOf(both, block.shadow.length)
  const bytes = bytesThrough(block)
  if (bytes === undefined || start === end) return
  const contents = block.shadow.subarray(start, end)
  world.allocate(end - start, contents, () => NativeBuffer.from(bytes.subarray(start, end)))
})

/** What bytes are copied from, or to: memory of JavaScript, or of a block, perhaps of the very same. */
const PLACES: Record<string, (length: number) => ArrayBufferView> = {
  Uint8Array: (length) => new Uint8Array(length),
  DataView: (length) => new DataView(new ArrayBuffer(length + 3), 2, length),
  Buffer: (length) => Buffer.alloc(length),
  shared: (length) => new Uint8Array(new SharedArrayBuffer(length)),
}

const copyOut = kindOf(
  'block.read',
  4,
  fc.record({ ends, place: fc.constantFrom(...Object.keys(PLACES)) }),
  (_world, { handle, shadow }, made) => {
    const [from, to] = rangeOf(made.ends, shadow.length)
    const into = PLACES[made.place]!(to - from)
    ensure(handle.read(into, from) === into, 'read did not return its view')
    const copied = Buffer.from(into.buffer as ArrayBuffer, into.byteOffset, into.byteLength)
    ensure(shadow.subarray(from, to).equals(copied), 'the bytes that were read are others')
  },
)

const copyIn = kindOf(
  'block.write',
  4,
  fc.record({ ends, place: fc.constantFrom(...Object.keys(PLACES)), value: fc.nat(255) }),
  (_world, { handle, shadow }, made) => {
    const [from, to] = rangeOf(made.ends, shadow.length)
    const source = PLACES[made.place]!(to - from)
    new Uint8Array(source.buffer, source.byteOffset, source.byteLength).forEach((_, index, bytes) => {
      bytes[index] = made.value + index
    })
    ensure(handle.write(source, from) === handle, 'write did not return its buffer')
    for (let index = from; index < to; index++) shadow[index] = made.value + index - from
  },
)

/** Between two blocks, or within one, where both parts may overlap. */
const copyThrough = kindOf(
  'read and write through a view',
  3,
  fc.record({ which: fc.nat(), from: ends, at: position, reads: fc.boolean() }),
  (world, block, { which, from: both, at, reads }) => {
    const other = world.blocks[which % world.blocks.length]!
    const bytes = bytesThrough(other)
    if (bytes === undefined) return
    const [from, to] = rangeOf(both, other.shadow.length)
    const start = Math.floor(at * block.shadow.length)
    const part = bytes.subarray(from, to)
    const call = (): unknown => (reads ? block.handle.read(part, start) : block.handle.write(part, start))
    if (to - from > block.shadow.length - start) return mustThrow('ERR_OUT_OF_RANGE', call)
    call()
    if (reads) block.shadow.copy(other.shadow, from, start, start + to - from)
    else other.shadow.copy(block.shadow, start, from, to)
  },
)

export const CONTENT_KINDS = [
  read,
  write,
  view,
  fill,
  fillFromItself,
  writeInC,
  copyBetween,
  copyNew,
  copyOut,
  copyIn,
  copyThrough,
]
