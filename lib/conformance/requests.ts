/** What `malloc` is asked for, and what it gives. */

import type { Allocator } from '../core/allocator.js'
import type { Init } from '../core/init.js'
import { define, freeAll, type Must } from './rule.js'

/** Length in bytes of what is filled. */
const LENGTH = 1000

function mustFill(allocator: Allocator, must: Must, init: Init, title: string, expected: Uint8Array): void {
  // In memory that held something else before.
  allocator.free(allocator.malloc(LENGTH, 1, 0xee))
  const buffer = allocator.malloc(LENGTH, 1, init)
  must.contain(`malloc(${LENGTH}, 1, ${title})`, buffer.bytes, (position) => expected[position % expected.length]!)
  freeAll(allocator, [buffer])
}

const ascii = (text: string): Uint8Array => Buffer.from(text, 'utf8')

export const RULES = [
  define('malloc(count, size) gives count * size bytes', (allocator, must) => {
    for (const [count, size] of [
      [1, 1],
      [10, 1],
      [1, 10],
      [7, 13],
      [1024, 8],
      [1, 100_001],
    ] as const) {
      const buffer = allocator.malloc(count, size)
      must.be(`byteLength of malloc(${count}, ${size})`, buffer.byteLength, count * size)
      must.hold(buffer.bytes instanceof Uint8Array, `bytes of malloc(${count}, ${size}) is no Uint8Array`)
      must.be(`bytes.length of malloc(${count}, ${size})`, buffer.bytes.length, count * size)
      freeAll(allocator, [buffer])
    }
    const buffer = allocator.malloc(10)
    must.be('byteLength of malloc(10)', buffer.byteLength, 10)
    freeAll(allocator, [buffer])
  }),

  define('malloc refuses a size that makes no sense', (allocator, must) => {
    for (const size of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
      must.throw(`malloc(${size})`, RangeError, () => allocator.malloc(size))
      must.throw(`malloc(1, ${size})`, RangeError, () => allocator.malloc(1, size))
    }
    must.throw('malloc(-2, -8)', RangeError, () => allocator.malloc(-2, -8))
    must.throw('malloc(2 ** 30, 2 ** 30)', RangeError, () => allocator.malloc(2 ** 30, 2 ** 30))
    for (const [title, size] of [
      ['"8"', '8'],
      ['8n', 8n],
      ['null', null],
    ] as const) {
      must.throw(`malloc(${title})`, TypeError, () => allocator.malloc(size as never))
      must.throw(`malloc(1, ${title})`, TypeError, () => allocator.malloc(1, size as never))
    }
    must.throw('malloc(undefined)', TypeError, () => allocator.malloc(undefined as never))
  }),

  define('malloc throws a RangeError for more than there is', (allocator, must) => {
    must.throw('malloc(2 ** 52)', RangeError, () => allocator.malloc(2 ** 52))
    const buffer = allocator.malloc(8, 1, 'A')
    must.contain('malloc(8, 1, "A") after that', buffer.bytes, () => 65)
    freeAll(allocator, [buffer])
  }),

  define("malloc fills with init: 'zero', a byte, a text or bytes, repeated", (allocator, must) => {
    mustFill(allocator, must, 'zero', "'zero'", Uint8Array.of(0))
    for (const byte of [0, 1, 255]) mustFill(allocator, must, byte, String(byte), Uint8Array.of(byte))
    for (const text of ['A', 'AB', 'ABC', 'é', 'zeros']) mustFill(allocator, must, text, `'${text}'`, ascii(text))
    mustFill(allocator, must, ascii('zero'), "Buffer.from('zero')", ascii('zero'))
    const long = Uint8Array.from({ length: LENGTH + 9 }, (_, position) => position % 251)
    mustFill(allocator, must, long, 'a Uint8Array that is longer', long)
  }),

  define('malloc refuses an init that makes no sense', (allocator, must) => {
    for (const byte of [-1, 256, 1.5, NaN]) {
      must.throw(`malloc(1, 1, ${byte})`, RangeError, () => allocator.malloc(1, 1, byte))
    }
    for (const [title, init] of [
      ["''", ''],
      ['new Uint8Array(0)', new Uint8Array(0)],
      ['null', null],
      ['true', true],
      ['[]', []],
      ['new Uint16Array(1)', new Uint16Array(1)],
    ] as const) {
      must.throw(`malloc(1, 1, ${title})`, TypeError, () => allocator.malloc(1, 1, init as never))
    }
  }),

  define('malloc copies an init that lies in its own memory', (allocator, must) => {
    const pattern = allocator.malloc(5, 1, 'hello')
    const buffer = allocator.malloc(LENGTH, 1, pattern.bytes)
    const expected = ascii('hello')
    must.contain('what was filled with another buffer', buffer.bytes, (position) => expected[position % 5]!)
    must.contain('that other buffer', pattern.bytes, (position) => expected[position]!)
    freeAll(allocator, [buffer, pattern])
  }),
]
