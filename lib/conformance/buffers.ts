/** What is alive: where it is, and what it holds. */

import type { AllocatedBuffer, Allocator } from '../core/allocator.js'
import { addressOfArrayBuffer } from '../runtime/native.js'
import { define, freeAll, type Must } from './rule.js'

/** Numbers as if at random, the same each time. */
function* lengths(count: number): Generator<number> {
  let state = 1
  for (let made = 0; made < count; made++) {
    state = (state * 48_271) % 0x7fff_ffff
    // Most are short.
    yield 1 + (state % (state % 8 === 0 ? 50_000 : 300))
  }
}

/** A buffer, and the byte that all of it holds. */
interface Marked {
  readonly buffer: AllocatedBuffer
  readonly byte: number
}

function mustLieApart(allocator: Allocator, must: Must, marked: readonly Marked[]): void {
  const places = marked
    .map(({ buffer }) => ({ start: allocator.getBufferAddress(buffer), length: BigInt(buffer.byteLength) }))
    .sort((one, other) => (one.start < other.start ? -1 : 1))
  for (const [index, { start, length }] of places.entries()) {
    const next = places[index + 1]
    if (next === undefined) continue
    const [from, to] = [start, start + length].map((address) => `0x${address.toString(16)}`)
    must.hold(next.start >= start + length, `the bytes from ${from} to ${to} are another buffer's, too`)
  }
}

function mustHold(must: Must, marked: readonly Marked[], when: string): void {
  for (const { buffer, byte } of marked) {
    must.contain(`a buffer of ${buffer.byteLength} bytes, ${when},`, buffer.bytes, () => byte)
  }
}

export const RULES = [
  define('getBufferAddress tells where the bytes are', (allocator, must) => {
    for (const length of [1, 100, 70_000]) {
      const buffer = allocator.malloc(length, 1, 'zero')
      const address = allocator.getBufferAddress(buffer)
      must.be(`typeof getBufferAddress(malloc(${length}))`, typeof address, 'bigint')
      must.be(`getBufferAddress(malloc(${length})) as it is asked again`, allocator.getBufferAddress(buffer), address)
      const { bytes } = buffer
      const found = addressOfArrayBuffer(bytes.buffer as ArrayBuffer) + BigInt(bytes.byteOffset)
      must.be(`getBufferAddress(malloc(${length}))`, address, found)
      freeAll(allocator, [buffer])
    }
  }),

  define('an address is a multiple of 8, so that every typed array can be made', (allocator, must) => {
    const buffers = [1, 3, 8, 13, 100, 1].map((length) => allocator.malloc(length))
    for (const buffer of buffers) {
      must.be(`getBufferAddress(malloc(${buffer.byteLength})) % 8`, Number(allocator.getBufferAddress(buffer) % 8n), 0)
      must.be(`bytes.byteOffset % 8 of malloc(${buffer.byteLength})`, buffer.bytes.byteOffset % 8, 0)
    }
    freeAll(allocator, buffers)
  }),

  define('bytes is the same memory whenever it is asked for', (allocator, must) => {
    const buffer = allocator.malloc(100, 1, 'zero')
    const { bytes } = buffer
    buffer.bytes[50] = 1
    must.be('a byte that was written through another view', bytes[50], 1)
    bytes[51] = 2
    must.be('a byte that was written through another view', buffer.bytes[51], 2)
    freeAll(allocator, [buffer])
  }),

  define('buffers that are alive have no byte in common', (allocator, must) => {
    let marked: Marked[] = []
    for (const [index, length] of [...lengths(200)].entries()) {
      const byte = (index % 254) + 1
      marked.push({ buffer: allocator.malloc(length, 1, byte), byte })
    }
    mustHold(must, marked, 'as others were allocated')
    mustLieApart(allocator, must, marked)
    const freed = marked.filter((_, index) => index % 2 === 0)
    marked = marked.filter((_, index) => index % 2 === 1)
    for (const { buffer } of freed) allocator.free(buffer)
    mustHold(must, marked, 'as others were freed')
    for (const length of lengths(200)) marked.push({ buffer: allocator.malloc(length, 1, 255), byte: 255 })
    mustHold(must, marked, 'as others came after some were freed')
    mustLieApart(allocator, must, marked)
    freeAll(
      allocator,
      marked.map(({ buffer }) => buffer),
    )
  }),
]
