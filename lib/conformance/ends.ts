/** What becomes of a buffer, and of its memory, as it is freed. */

import type { AllocatedBuffer } from '../core/allocator.js'
import { define, freeAll } from './rule.js'

const MiB = 2 ** 20

/** How much comes and goes, and how much of it may stay. */
const [TRAFFIC, MOST_KEPT] = [512, 256]

export const RULES = [
  define('whoever uses a buffer that is freed gets an error, or no bytes', (allocator, must) => {
    const buffer = allocator.malloc(100, 1, 'A')
    allocator.free(buffer)
    must.throw('a second free', Error, () => allocator.free(buffer))
    must.throw('getBufferAddress', Error, () => allocator.getBufferAddress(buffer))
    must.be('byteLength', buffer.byteLength, 0)
    let length = 0
    try {
      ;({ length } = buffer.bytes)
    } catch {
      // That is as good.
    }
    must.be('bytes.length', length, 0)
  }),

  define('a second free does no harm to who has the memory now', (allocator, must) => {
    const old = allocator.malloc(100)
    allocator.free(old)
    const buffer = allocator.malloc(100, 1, 'N')
    const other = allocator.malloc(100, 1, 'O')
    must.throw('the second free', Error, () => allocator.free(old))
    const next = allocator.malloc(100, 1, 'X')
    must.contain('a buffer that came after the first free', buffer.bytes, () => 78)
    must.contain('the one after it', other.bytes, () => 79)
    freeAll(allocator, [next, other, buffer])
  }),

  define('free and getBufferAddress refuse what is no buffer', (allocator, must) => {
    for (const [title, value] of [
      ['undefined', undefined],
      ['null', null],
      ['1', 1],
      ['{}', {}],
      ['new Uint8Array(8)', new Uint8Array(8)],
    ] as const) {
      must.throw(`free(${title})`, TypeError, () => allocator.free(value as unknown as AllocatedBuffer))
      must.throw(`getBufferAddress(${title})`, TypeError, () =>
        allocator.getBufferAddress(value as unknown as AllocatedBuffer),
      )
    }
  }),

  define('what is freed is used again, or given back', (allocator, must) => {
    allocator.free(allocator.malloc(MiB, 1, 1))
    const before = process.memoryUsage.rss()
    for (let round = 0; round < TRAFFIC; round++) allocator.free(allocator.malloc(MiB, 1, round % 256))
    const kept = (process.memoryUsage.rss() - before) / MiB
    must.hold(
      kept < MOST_KEPT,
      `${kept.toFixed(0)} MiB more are resident after ${TRAFFIC} buffers of 1 MiB came and went one by one`,
    )
  }),
]
