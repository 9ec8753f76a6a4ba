import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import {
  consume,
  free,
  getBufferAddress,
  handOver,
  malloc,
  mallocAsync,
  NativeBuffer,
  setMemoryLimit,
  stats,
  takeOver,
  type Init,
  type MallocOptions,
} from 'cmalloc'
import { Arena, Mark, Region } from 'cmalloc/arena'
import { arrayBufferAllocator, MemManager } from 'cmalloc/mem-manager'
import { Slot } from 'cmalloc/native'
import { Pool } from 'cmalloc/pool'
import * as libc from './support/libc.js'
import { lockLimit } from './support/lock-limit.js'
import { linuxTest, collectUntil, untilNothingIsInUse } from './support/memory.js'
import { readDocument, table } from './support/readme.js'
import { notRun } from './support/not-run.js'
import { nameOf, NODE_VERSIONS, RUNTIMES, runSource } from './support/run.js'

test.before(untilNothingIsInUse)

/** The pages that have the tables. */
const MALLOC = readDocument('docs/reference/malloc.md')
const ERRORS = readDocument('docs/reference/errors.md')

/** A row of a table: the text of its cells on its page, and the cases that show that it is true. */
interface Row {
  cells: string[]
  cases?: Cases
  /** What only Linux can be made to do. */
  linuxCases?: Cases
}

/** Each with what is run, or why it cannot be. */
type Cases = Record<string, ((t: ExecutionContext) => Promise<void> | void) | string>

/** Runs a table's rows, and holds them against the page's. */
function specify(page: string, heading: string, head: string[], rows: Row[]): void {
  test.serial(`${heading}: the page has these rows, and no others`, (t) => {
    t.deepEqual(table(page, heading), [head, ...rows.map(({ cells }) => cells)])
  })
  for (const { cells, cases = {}, linuxCases = {} } of rows) {
    const name = `${heading}: ${cells[0]}`
    for (const [declare, some] of [
      [test.serial, cases],
      [linuxTest, linuxCases],
    ] as const) {
      for (const [title, run] of Object.entries(some)) {
        if (typeof run === 'string') notRun(`${name}: ${title}`, run)
        else declare(`${name}: ${title}`, run)
      }
    }
    if (Object.keys({ ...cases, ...linuxCases }).length === 0) throw new Error(`${name} has no case`)
  }
}

interface Refusal {
  class: ErrorConstructor
  code: string
  /** What the message must say: what was asked, and what to do. */
  says: RegExp
}

const refusal = (Class: ErrorConstructor, code: string) => (says: RegExp) => ({ class: Class, code, says })
const badType = refusal(TypeError, 'ERR_INVALID_ARG_TYPE')
const badValue = refusal(TypeError, 'ERR_INVALID_ARG_VALUE')
const outOfRange = refusal(RangeError, 'ERR_OUT_OF_RANGE')
const outOfMemory = refusal(RangeError, 'ERR_CMALLOC_OUT_OF_MEMORY')
const freed = refusal(Error, 'ERR_CMALLOC_FREED')
const pinned = refusal(Error, 'ERR_CMALLOC_PINNED')
const badTicket = refusal(Error, 'ERR_CMALLOC_BAD_TICKET')
const alreadyOwned = refusal(Error, 'ERR_CMALLOC_ALREADY_OWNED')

/** A call that throws, and leaves what there is as it was. */
function refused(t: ExecutionContext, call: () => unknown, { class: Class, code, says }: Refusal, about = ''): void {
  const before = stats()
  let error: Error & { code?: unknown } = new Error('Nothing was thrown')
  try {
    call()
  } catch (thrown) {
    error = thrown as Error
  }
  t.is(error.constructor, Class, `${about}: ${error.stack}`)
  t.true(error instanceof Error, about)
  t.is(error.code, code, `${about}: ${error.message}`)
  t.true(Object.hasOwn(error, 'code'), about)
  t.regex(error.message, says, about)
  const after = stats()
  t.deepEqual([after.liveBlocks, after.liveBytes], [before.liveBlocks, before.liveBytes], `${about}: something is left`)
}

// Init

/** What is in a block before it is filled, and around the part that is. */
const OTHER = 0xee

/** Such as the platform can serve. */
const OPTIONS: MallocOptions = {
  win32: { align: 16 },
  darwin: { align: 4096 },
}[process.platform as string] ?? { align: 4096, secure: true }

/** Every way to fill `length` bytes: gives the handle, and where in it they begin. */
const WAYS: Record<string, (length: number, init: Init) => [handle: NativeBuffer, start: number]> = {
  malloc: (length, init) => [malloc(length, 1, init), 0],
  'malloc with options': (length, init) => [malloc(length, 1, init, OPTIONS), 0],
  fill: (length, init) => filled(malloc(length, 1, OTHER), init),
  'fill of a part': (length, init) => filled(malloc(length + 4, 1, OTHER), init, 2, length + 2),
  resize: (length, init) => {
    const handle = malloc(3, 1, OTHER)
    try {
      return [handle.resize(3 + length, init), 3]
    } catch (error) {
      handle.free()
      throw error
    }
  },
}

function filled(handle: NativeBuffer, ...[init, start = 0, end]: [Init, number?, number?]): [NativeBuffer, number] {
  try {
    return [handle.fill(init, start, end), start]
  } catch (error) {
    handle.free()
    throw error
  }
}

/** Each way writes these bytes, and no others. */
function writes(t: ExecutionContext, init: Init, expected: Uint8Array | string): void {
  const bytes = Buffer.from(expected as string, 'latin1')
  for (const [way, run] of Object.entries(WAYS)) {
    const [handle, start] = run(bytes.length, init)
    const end = start + bytes.length
    const all = Buffer.from(handle.bytes)
    handle.free()
    t.deepEqual(all.subarray(start, end), bytes, `${way} with ${inspect(init)}`)
    const around = [...all.subarray(0, start), ...all.subarray(end)]
    t.true(
      around.every((byte) => byte === OTHER),
      `${way} with ${inspect(init)} writes elsewhere: ${around.join()}`,
    )
  }
}

/** No way takes such a value. */
function refusedAsInit(t: ExecutionContext, init: unknown, expected: Refusal): void {
  for (const [way, run] of Object.entries(WAYS)) {
    refused(t, () => run(8, init as Init), expected, `${way} with ${inspect(init)}`)
  }
  using handle = malloc(6, 1, 'before')
  refused(t, () => handle.fill(init as Init), expected)
  refused(t, () => handle.resize(100, init as Init), expected)
  refused(t, () => handle.resize(2, init as Init), expected, 'shrinking takes no other init')
  t.is(handle.view(Buffer).toString(), 'before', 'a refused call changes nothing')
}

/** The first `length` bytes of a pattern that repeats: said in another way than the library does it. */
function repeated(pattern: Uint8Array, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => pattern[index % pattern.length]!))
}

/** A view whose `ArrayBuffer` was transferred away. */
function detached(): Uint8Array {
  const bytes = new Uint8Array(4)
  structuredClone(bytes, { transfer: [bytes.buffer] })
  return bytes
}

/** What the library of the tests' TypeScript does not know yet. */
function resizable(length: number): ArrayBuffer & { resize(length: number): void } {
  const Class = ArrayBuffer as unknown as new (
    length: number,
    options: object,
  ) => ArrayBuffer & { resize(to: number): void }
  return new Class(length, { maxByteLength: 8 })
}

class Subclass extends Uint8Array {}

specify(
  MALLOC,
  'Init',
  ['value', 'effect'],
  [
    {
      cells: [
        'left out, or `undefined`',
        'The bytes hold whatever the memory held; the pages are resident all the same. `fill` must be given a value.',
      ],
      cases: {
        'the pages are resident': (t) => {
          using handle = malloc(3_000_001)
          t.is(handle.residentBytes(), 3_000_001)
          using other = malloc(3_000_001, 1, undefined)
          t.is(other.residentBytes(), 3_000_001)
          t.is(other.resize(9_000_001).residentBytes(), 9_000_001)
          t.is(other.resize(19_000_001, undefined).residentBytes(), 19_000_001)
        },
        'resize keeps what there was': (t) => {
          using handle = malloc(5, 1, 'abcde')
          t.is(handle.resize(5000).view(Buffer, 0, 5).toString(), 'abcde')
          t.is(handle.resize(3).view(Buffer).toString(), 'abc')
        },
        'fill wants a value': (t) => {
          using handle = malloc(5, 1, 'abcde')
          refused(t, () => handle.fill(undefined as never), badType(/^init must be 'zero', .*Received undefined$/))
          t.is(handle.view(Buffer).toString(), 'abcde')
        },
      },
    },
    {
      cells: ["`'zero'`", 'Zeros.'],
      cases: {
        'every byte is 0': (t) => {
          writes(t, 'zero', '\0')
          writes(t, 'zero', '\0'.repeat(10_000))
        },
        'also where other bytes were before': (t) => {
          malloc(50_000, 1, 255).free()
          using handle = malloc(50_000, 1, 'zero')
          t.true(handle.bytes.every((byte) => byte === 0))
        },
      },
    },
    {
      cells: ['an integer from 0 to 255', 'That byte everywhere.'],
      cases: {
        'every one of them': (t) => {
          for (let byte = 0; byte <= 255; byte++) writes(t, byte, Buffer.from([byte, byte, byte]))
        },
        'minus zero is 0': (t) => writes(t, -0, '\0\0'),
      },
    },
    {
      cells: ['any other number', '`RangeError`, `ERR_OUT_OF_RANGE`.'],
      cases: {
        'nothing wraps or is rounded': (t) => {
          for (const number of [-1, 256, 300, 1.5, 255.5, -0.5, NaN, Infinity, -Infinity, 2 ** 32, 2 ** 53]) {
            const says = new RegExp(`^init must be an integer from 0 to 255\\. Received ${number}$`)
            refusedAsInit(t, number, outOfRange(says))
          }
        },
      },
    },
    {
      cells: [
        'a string',
        "Its UTF-8 bytes, repeated; the last repetition is cut. `'A'` gives AAAA…, `'AB'` gives ABAB….",
      ],
      cases: {
        'one character': (t) => writes(t, 'A', 'AAAAA'),
        'the last repetition is cut': (t) => {
          writes(t, 'AB', 'ABABA')
          writes(t, 'AB', 'ABAB')
          writes(t, 'abc', 'abcabca')
        },
        'a text longer than the block': (t) => {
          writes(t, 'hello', 'hel')
          writes(t, 'x'.repeat(1_000_000), 'xxx')
          writes(t, 'y'.repeat(1_000_000), 'y')
        },
        'texts that mean something elsewhere': (t) => {
          writes(t, 'zeros', 'zerosze')
          writes(t, 'Zero', 'ZeroZ')
          writes(t, '0', '000')
          writes(t, '300', '30030')
          writes(t, '\0', '\0\0\0')
        },
        'a character of several bytes is cut in its middle': (t) => {
          writes(t, 'é', '\xc3\xa9\xc3')
          writes(t, '€', '\xe2\x82')
          writes(t, '😀', '\xf0\x9f\x98\x80\xf0\x9f')
        },
        'a surrogate pair at the cut is still the one character': (t) => {
          writes(t, 'ab😀', 'ab\xf0')
          writes(t, 'ab😀', 'ab\xf0\x9f')
          writes(t, 'ab😀', 'ab\xf0\x9f\x98')
          writes(t, '😀', '\xf0')
        },
        'half of a surrogate pair is U+FFFD, as Buffer has it': (t) => {
          writes(t, '\ud83d', '\xef\xbf\xbd\xef')
          writes(t, '\ude00', '\xef\xbf\xbd\xef')
          writes(t, 'a\ud83d', 'a\xef')
          writes(t, '\ud83db', '\xef\xbf\xbdb')
        },
        'every length of block for a text of every kind of character': (t) => {
          for (const text of ['aé€😀z\ud800b\udc00', '😀😀é', '\ud83d\ud83d\ude00', 'ab', '€']) {
            const pattern = new TextEncoder().encode(text)
            for (let length = 1; length <= 2 * pattern.length + 1; length++) writes(t, text, repeated(pattern, length))
          }
        },
        'a long block of a pattern that divides nothing': (t) => {
          const pattern = Buffer.from('0123456789abcdefghijklmnopqrs')
          writes(t, pattern.toString(), repeated(pattern, 300_007))
        },
      },
    },
    {
      cells: [
        'a `Uint8Array`, such as a `Buffer`',
        'Its bytes, repeated likewise. The way to fill with the text "zero".',
      ],
      cases: {
        'its bytes, the last repetition cut': (t) => {
          writes(t, Uint8Array.of(1, 2, 255), '\x01\x02\xff\x01\x02\xff\x01')
          writes(t, Uint8Array.of(7), '\x07\x07\x07')
        },
        'longer than the block': (t) => writes(t, Uint8Array.of(1, 2, 3, 4, 5), '\x01\x02'),
        'the text "zero"': (t) => writes(t, Buffer.from('zero'), 'zerozeroze'),
        'a subclass': (t) => writes(t, Subclass.of(5, 6), '\x05\x06\x05'),
        'a part of a buffer': (t) => {
          writes(t, Uint8Array.of(9, 1, 2, 9).subarray(1, 3), '\x01\x02\x01')
        },
        'a view of a SharedArrayBuffer': (t) => {
          const bytes = new Uint8Array(new SharedArrayBuffer(4), 1, 2)
          bytes.set([3, 4])
          writes(t, bytes, '\x03\x04\x03')
        },
        'a view of a resizable ArrayBuffer': (t) => {
          const buffer = resizable(2)
          const bytes = new Uint8Array(buffer)
          bytes.set([3, 4])
          writes(t, bytes, '\x03\x04\x03')
        },
        'a view of another block': (t) => {
          using other = malloc(3, 1, 'abc')
          writes(t, other.bytes, 'abcabcab')
        },
        'fill takes a view of the block itself': (t) => {
          const cases: [start: number, end: number, expected: string][] = [
            [0, 8, 'ABCDEFGH'],
            [0, 3, 'ABCABCAB'],
            [2, 5, 'CDECDECD'],
            [6, 8, 'GHGHGHGH'],
          ]
          for (const [start, end, expected] of cases) {
            using handle = malloc(8, 1, 'ABCDEFGH')
            t.is(handle.fill(handle.bytes.subarray(start, end)).view(Buffer).toString(), expected)
          }
          using handle = malloc(8, 1, 'ABCDEFGH')
          t.is(handle.fill(handle.bytes.subarray(2, 5), 1, 6).view(Buffer).toString(), 'ACDECDGH')
        },
        'resize takes a view of the block itself': (t) => {
          using handle = malloc(4, 1, 'ABCD')
          t.is(handle.resize(11, handle.bytes.subarray(1)).view(Buffer).toString(), 'ABCDBCDBCDB')
          t.is(handle.resize(3, handle.bytes).view(Buffer).toString(), 'ABC')
        },
        'a long pattern takes no second block': (t) => {
          const pattern = Buffer.alloc(5_000_000, 'pattern')
          for (const init of [pattern, pattern.toString('latin1')]) {
            const before = stats()
            using handle = malloc(12_000_000, 1, init)
            const after = stats()
            t.is(after.allocations, before.allocations + 1)
            t.is(after.liveBytes, before.liveBytes + 12_000_000)
            t.true(after.peakLiveBytes <= Math.max(before.peakLiveBytes, after.liveBytes))
            handle.fill(init)
            t.is(stats().allocations, before.allocations + 1)
          }
        },
      },
    },
    {
      cells: ["`''`, or a `Uint8Array` of no bytes", '`TypeError`, `ERR_INVALID_ARG_VALUE`.'],
      cases: {
        'an empty string': (t) =>
          refusedAsInit(t, '', badValue(/^init must not be an empty string\. For zeros, use 'zero'$/)),
        'an empty, a detached and an outgrown Uint8Array': (t) => {
          const says = /^init must not be an empty Uint8Array\. For zeros, use 'zero'$/
          const buffer = resizable(8)
          const outgrown = new Uint8Array(buffer, 4, 2)
          buffer.resize(2)
          for (const empty of [new Uint8Array(0), Buffer.alloc(0), new Subclass(0), detached(), outgrown]) {
            refusedAsInit(t, empty, badValue(says))
          }
        },
        'one that says that it has bytes': (t) => {
          const empty = Object.defineProperty(new Uint8Array(0), 'byteLength', { value: 5 })
          refusedAsInit(t, empty, badValue(/empty/))
        },
      },
    },
    {
      cells: ['anything else, `null` too', '`TypeError`, `ERR_INVALID_ARG_TYPE`.'],
      cases: {
        'values of every other type': (t) => {
          const received: [unknown, string][] = [
            [null, 'null'],
            [true, 'true'],
            [false, 'false'],
            [{}, 'an object'],
            [[1, 2], 'an object'],
            [() => 65, 'a function'],
            [Symbol('A'), 'Symbol\\(A\\)'],
            [65n, '65n'],
            [Object('A'), 'an object'],
            [Object(65), 'an object'],
            [new Date(0), 'an object'],
          ]
          for (const [value, name] of received) refusedAsInit(t, value, wrongInit(name))
        },
        'other buffers and views': (t) => {
          using handle = malloc(8)
          for (const value of [
            new Uint16Array(2),
            new Int8Array(2),
            new Uint8ClampedArray(2),
            new Float64Array(2),
            new BigUint64Array(2),
            new DataView(new ArrayBuffer(2)),
            new ArrayBuffer(2),
            new SharedArrayBuffer(2),
            handle,
          ]) {
            refusedAsInit(t, value, wrongInit('an object'))
          }
        },
        'none of their code runs': (t) => {
          let runs = 0
          const run = () => runs++
          refusedAsInit(
            t,
            { toString: run, valueOf: run, [Symbol.toPrimitive]: run, length: 1 },
            wrongInit('an object'),
          )
          refusedAsInit(t, new Proxy(new Uint8Array(1), { get: run, has: () => run() > 0 }), wrongInit('an object'))
          t.is(runs, 0)
        },
      },
    },
  ],
)

function wrongInit(name: string): Refusal {
  return badType(
    new RegExp(
      `^init must be 'zero', an integer from 0 to 255, a string or a Uint8Array\\. Received ${name}(\\. For options, .*)?$`,
    ),
  )
}

test.serial('the mistakes of the original are not made here', (t) => {
  writes(t, 'A', 'AAAA') // there: zeros
  refusedAsInit(t, 300, outOfRange(/Received 300$/)) // there: 44
  refusedAsInit(t, -1, outOfRange(/Received -1$/)) // there: 255
  writes(t, 0, '\0\0\0\0') // there: uninitialised
  malloc(4096, 1, 'stale').free()
  using zeros = malloc(4096, 1, 'zero') // there: stale memory
  t.true(zeros.bytes.every((byte) => byte === 0))
})

// Sizes

const notPositive = [
  0,
  -0,
  -1,
  -(2 ** 53),
  0.5,
  1.5,
  -1.5,
  NaN,
  Infinity,
  -Infinity,
  2 ** 53,
  2 ** 64,
  Number.MIN_VALUE,
]
const notNumbers: [unknown, string][] = [
  ['1', '"1"'],
  ['', '""'],
  [1n, '1n'],
  [null, 'null'],
  [true, 'true'],
  [{}, 'an object'],
  [[1], 'an object'],
  [Object(1), 'an object'],
  [Symbol('1'), 'Symbol(1)'],
]

specify(
  MALLOC,
  'Sizes',
  ['given', 'what happens'],
  [
    {
      cells: ['`count` alone', 'The block has `count` bytes: `size` is 1.'],
      cases: {
        'also with undefined for the size': (t) => {
          for (const count of [1, 2, 4095, 4096, 4097, 1_000_003]) {
            using alone = malloc(count)
            using same = malloc(count, undefined)
            t.deepEqual([alone.byteLength, same.byteLength, alone.bytes.length], [count, count, count])
          }
        },
      },
    },
    {
      cells: ['`count` and `size`, integers from 1', 'The block has `count * size` bytes.'],
      cases: {
        'their product': (t) => {
          for (const [count, size] of [
            [1, 1],
            [1, 100],
            [100, 1],
            [7, 9],
            [1000, 1001],
          ] as const) {
            using handle = malloc(count, size, 'zero')
            t.deepEqual([handle.byteLength, handle.bytes.length], [count * size, count * size])
          }
        },
      },
    },
    {
      cells: [
        '0, a negative number (two of them too), a fraction, `NaN`, `Infinity`, a number over 2^53 - 1',
        '`RangeError`, `ERR_OUT_OF_RANGE`.',
      ],
      cases: {
        'as count and as size': (t) => {
          for (const number of notPositive) {
            refused(t, () => malloc(number), wrongSize('count', number), `count ${number}`)
            refused(t, () => malloc(number, 8), wrongSize('count', number), `count ${number} of 8`)
            refused(t, () => malloc(8, number), wrongSize('size', number), `8 of size ${number}`)
          }
        },
        'two that would make a positive product': (t) => {
          refused(t, () => malloc(-2, -2), wrongSize('count', -2))
          refused(t, () => malloc(0.5, 2), wrongSize('count', 0.5))
          refused(t, () => malloc(2, 0.5), wrongSize('size', 0.5))
        },
      },
    },
    {
      cells: ['a product over 2^53 - 1', '`RangeError`, `ERR_OUT_OF_RANGE`.'],
      cases: {
        'also where it would wrap to something small': (t) => {
          const factors = [
            [2 ** 27, 2 ** 27],
            [2 ** 52, 2],
            [2 ** 32, 2 ** 32],
            [2 ** 52, 2 ** 52],
          ] as const
          for (const [count, size] of factors)
            refused(t, () => malloc(count, size), wrongSize('count * size', count * size))
        },
      },
    },
    {
      cells: ['not a number; `undefined` as `count` too', '`TypeError`, `ERR_INVALID_ARG_TYPE`.'],
      cases: {
        'as count and as size': (t) => {
          for (const [value, name] of notNumbers) {
            refused(t, () => malloc(value as number), notANumber('count', name), `count ${name}`)
            refused(t, () => malloc(8, value as number), notANumber('size', name), `size ${name}`)
          }
          refused(t, () => malloc(undefined as never), notANumber('count', 'undefined'))
        },
      },
    },
    {
      cells: ['more than there is', '`RangeError`, `ERR_CMALLOC_OUT_OF_MEMORY`, before a page is touched.'],
      cases: {
        'resident memory does not grow': (t) => {
          const before = process.memoryUsage.rss()
          const peak = stats().peakLiveBytes
          for (const length of [2 ** 46, 2 ** 53 - 1]) {
            refused(t, () => malloc(length), outOfMemory(new RegExp(`^Cannot [^:]* ${length} bytes.*(Free|Ask)`)))
          }
          t.true(process.memoryUsage.rss() - before < 50e6)
          t.is(stats().peakLiveBytes, peak)
        },
      },
    },
    {
      cells: ['`byteLength` of `resize` and `consume`, `bytes` of `setMemoryLimit`', 'The same rules.'],
      cases: {
        'and a refused call changes nothing': (t) => {
          using handle = malloc(4, 1, 'abcd')
          const source = { address: libc.malloc(64) }
          const { address } = source
          const each = (value: unknown, expected: (name: string) => Refusal) => {
            refused(t, () => handle.resize(value as number), expected('byteLength'))
            refused(t, () => consume(handle, value as number), expected('byteLength'))
            refused(t, () => consume(source, value as number), expected('byteLength'))
            refused(t, () => setMemoryLimit(value as number), expected('bytes'))
          }
          for (const number of notPositive) each(number, (name) => wrongSize(name, number))
          // For the limit null means: none.
          for (const [value, name] of notNumbers.filter(([other]) => other !== null))
            each(value, (of) => notANumber(of, name))
          refused(t, () => handle.resize(null as never), notANumber('byteLength', 'null'))
          refused(t, () => handle.resize(undefined as never), notANumber('byteLength', 'undefined'))
          refused(t, () => consume(source, undefined as never), notANumber('byteLength', 'undefined'))
          refused(
            t,
            () => setMemoryLimit(undefined as never),
            badType(/^bytes must be a number or null\. Received undefined$/),
          )
          for (const length of [2 ** 46, 2 ** 53 - 1]) {
            const tooMuch = outOfMemory(/^Cannot .* bytes.*(Free|Ask)/)
            refused(t, () => handle.resize(length), tooMuch)
            refused(t, () => consume(handle, length), tooMuch)
            refused(t, () => consume(source, length), tooMuch)
          }
          t.is(handle.view(Buffer).toString(), 'abcd')
          t.is(source.address, address)
          t.is(stats().memoryLimit as unknown, null)
          libc.free(address)
        },
      },
    },
    {
      cells: [
        'a `slice` or `NativeBuffer.from` of no bytes',
        '`RangeError`, `ERR_OUT_OF_RANGE`: there is no block of 0 bytes.',
      ],
      cases: {
        slice: (t) => {
          using handle = malloc(8)
          const empty = outOfRange(/^The slice must be at least one byte long\. Received (0|-\d)$/)
          for (const [start, end] of [
            [2, 2],
            [5, 2],
            [8, undefined],
            [100, 200],
            [0, -8],
            [-1, -2],
            [0, 0],
          ] as const) {
            refused(t, () => handle.slice(start, end), empty, `slice(${start}, ${end})`)
          }
        },
        from: (t) => {
          const empty = outOfRange(/^The length of data must be at least one byte\. Received 0$/)
          for (const data of [
            new Uint8Array(0),
            new ArrayBuffer(0),
            new SharedArrayBuffer(0),
            Buffer.alloc(0),
            new DataView(new ArrayBuffer(8), 8),
            new Float64Array(0),
            detached(),
            detached().buffer,
          ]) {
            refused(t, () => NativeBuffer.from(data), empty, inspect(data))
          }
        },
      },
    },
  ],
)

function wrongSize(name: string, number: number): Refusal {
  const received = String(number).replace('+', '\\+')
  return outOfRange(
    new RegExp(`^${name.replace('*', '\\*')} must be an integer from 1 to 2\\^53 - 1\\. Received ${received}$`),
  )
}

function notANumber(name: string, received: string): Refusal {
  const value = received.replace(/[()]/g, '\\$&')
  return badType(new RegExp(`^${name} must be a number( or null)?\\. Received ${value}(\\. (To fill|For options).*)?$`))
}

// Errors

specify(
  ERRORS,
  'Errors',
  ['code', 'class', 'when'],
  [
    {
      cells: [
        '`ERR_INVALID_ARG_TYPE`',
        '`TypeError`',
        'An argument of the wrong type; a handle that is used as an array.',
      ],
      cases: {
        'the message says which, what it must be and what came': (t) => {
          using handle = malloc(8)
          const call = (run: () => unknown, says: RegExp) => refused(t, run, badType(says))
          call(() => free({} as never), /^buffer must be a NativeBuffer\. Received an object$/)
          call(() => free(undefined as never), /^buffer must be a NativeBuffer\. Received undefined$/)
          call(() => free(Object.create(NativeBuffer.prototype) as never), /^buffer must be a NativeBuffer/)
          call(() => getBufferAddress(1n as never), /^buffer must be a NativeBuffer\. Received 1n$/)
          call(() => consume(null as never, 8), /^source must be an object with an address.*Received null$/)
          call(() => consume(1n as never, 8), /^source .* consume\(\{ address \}, byteLength\).*Received 1n$/)
          call(() => consume({} as never, 8), /^source\.address must be a bigint or a number\. Received undefined$/)
          call(() => consume({ address: '16' } as never, 8), /^source\.address must be a bigint or a number/)
          call(
            () => handle.view('Uint8Array' as never),
            /^type must be the constructor of a view, such as Float64Array/,
          )
          call(() => handle.view(Uint8Array, '0' as never), /^byteOffset must be a number\. Received "0"$/)
          call(() => handle.view(Uint8Array, 0, null as never), /^length must be a number\. Received null$/)
          call(() => handle.fill(0, '0' as never), /^start must be a number/)
          call(() => handle.fill(0, 0, 1n as never), /^end must be a number/)
          call(() => handle.slice(null as never), /^start must be a number/)
          call(() => new Float64Array(handle as never), /^A NativeBuffer is no array.* block\.view\(Float64Array\)/)
          for (const [data, name] of [
            [5, '5'],
            ['ab', '"ab"\\. For a text, pass Buffer\\.from\\(text\\)'],
            [[1, 2], 'an object'],
            [null, 'null'],
            [handle, 'an object'],
          ]) {
            call(
              () => NativeBuffer.from(data as never),
              new RegExp(`^data must be a view, an ArrayBuffer or a SharedArrayBuffer\\. Received ${name as string}$`),
            )
          }
        },
      },
    },
    {
      cells: [
        '`ERR_INVALID_ARG_VALUE`',
        '`TypeError`',
        'An unknown option, which the message names with the nearest known one; an argument too many; an empty init; options that contradict each other; a `consume` of an address that is not aligned as `malloc` aligns, or that cannot be set to zero; in the debug mode also one at which there can be no block.',
      ],
      cases: {
        'an unknown option': (t) =>
          refused(t, () => malloc(8, 1, 0, { algn: 8 } as never), badValue(/no option algn\. Did you mean align\?/)),
        'an argument too many': (t) =>
          refused(
            t,
            () => (malloc as (...all: unknown[]) => void)(8, 1, 0, {}, 0),
            badValue(/^malloc\(count, size, init, options\) has no more arguments than these, and was given 5$/),
          ),
        'an empty init': (t) => refused(t, () => malloc(8, 1, ''), badValue(/^init must not be .*use 'zero'$/)),
        'options that contradict each other': (t) => {
          const says = /^options\.lazy must not be true if /
          refused(t, () => malloc(8, 1, 'zero', { lazy: true, secure: true }), badValue(says))
          refused(t, () => malloc(8, 1, 'A', { lazy: true }), badValue(says))
        },
        'an address inside of a block': (t) => {
          refused(
            t,
            () => consume({ address: 0x1001n }, 8),
            badValue(/^The address 0x1001 is not aligned as malloc aligns/),
          )
        },
        'an address that cannot be set to zero': (t) => {
          const address = libc.malloc(64)
          const says = badValue(/^source\.address must be writable.*pass an object whose address is a plain property$/)
          const { proxy } = Proxy.revocable({ address }, { set: () => true })
          for (const source of [
            Object.freeze({ address }),
            {
              get address() {
                return address
              },
              set address(_) {},
            },
            proxy,
          ]) {
            refused(t, () => consume(source, 64), says)
            t.is(source.address, address)
          }
          libc.free(address)
        },
      },
    },
    {
      cells: [
        '`ERR_OUT_OF_RANGE`',
        '`RangeError`',
        'A size, byte or index out of its range; an address that is 0, negative, fractional or over 64 bits; a view that is misaligned or too long.',
      ],
      cases: {
        'a size and a byte': (t) => {
          refused(t, () => malloc(0), wrongSize('count', 0))
          refused(t, () => malloc(1, 1, 256), outOfRange(/^init must be an integer from 0 to 255\. Received 256$/))
        },
        'an index': (t) => {
          using handle = malloc(8, 1, 1)
          for (const position of [-1, 9, 1.5, NaN, Infinity]) {
            const says = (name: string) => outOfRange(new RegExp(`^${name} must be an integer from 0 to 8\\. Received`))
            refused(t, () => handle.fill(0, position), says('start'))
            refused(t, () => handle.fill(0, 0, position), says('end'))
            refused(t, () => handle.view(Uint8Array, position), says('byteOffset'))
            refused(t, () => handle.view(Uint8Array, 0, position), says('length'))
          }
          refused(t, () => handle.fill(0, 5, 2), outOfRange(/^start must be at most end, which is 2\. Received 5$/))
          for (const position of [1.5, NaN, Infinity]) {
            refused(t, () => handle.slice(position), outOfRange(/^start must be an integer\. Received/))
            refused(t, () => handle.slice(0, position), outOfRange(/^end must be an integer\. Received/))
          }
          t.true(handle.bytes.every((byte) => byte === 1))
        },
        'an address': (t) => {
          const says = outOfRange(/^source\.address must be over 0 and at most 2\^64 - 1, and an integer\. Received/)
          for (const address of [0, -1, 1.5, NaN, Infinity, 0n, -1n, 2n ** 64n, 2n ** 200n]) {
            const source = { address }
            refused(t, () => consume(source, 8), says, String(address))
            t.is(source.address, address)
          }
          refused(
            t,
            () => consume({ address: 2 ** 53 }, 8),
            outOfRange(/must be a bigint if it is over 2\^53 - 1\. Received/),
          )
        },
        'a view': (t) => {
          using handle = malloc(12)
          const refuse = (run: () => unknown, says: RegExp) => refused(t, run, outOfRange(says))
          refuse(
            () => handle.view(Uint32Array, 2),
            /^byteOffset must be a multiple of 4, the size of an element\. Received 2$/,
          )
          refuse(() => handle.view(Uint32Array, 0, 4), /^length must be an integer from 0 to 3\. Received 4$/)
          refuse(() => handle.view(DataView, 4, 9), /^length must be an integer from 0 to 8\. Received 9$/)
          refuse(() => handle.view(Buffer, 4, 9), /^length must be an integer from 0 to 8\. Received 9$/)
          refuse(
            () => handle.view(Float64Array),
            /^The rest of the block must be a multiple of 8 bytes if no length is given. Received 12$/,
          )
        },
      },
    },
    {
      cells: ['`ERR_ILLEGAL_CONSTRUCTOR`', '`TypeError`', '`new NativeBuffer()`, `new Region()`, `new Mark()`.'],
      cases: {
        'the message says what makes one': (t) => {
          const Class = NativeBuffer as unknown as new (...args: unknown[]) => NativeBuffer
          class Sub extends Class {}
          const says = refusal(
            TypeError,
            'ERR_ILLEGAL_CONSTRUCTOR',
          )(/made by malloc\(\), consume\(\) or NativeBuffer\.from\(\)/)
          for (const args of [[], [8], [Symbol('cmalloc'), {}, 8]]) {
            refused(t, () => new Class(...args), says)
            refused(t, () => new Sub(...args), says)
          }
        },
        'those of an arena': (t) => {
          for (const Class of [Region, Mark] as unknown as (new () => unknown)[]) {
            refused(
              t,
              () => new Class(),
              refusal(TypeError, 'ERR_ILLEGAL_CONSTRUCTOR')(/is made by the .* of an Arena,/),
            )
          }
        },
      },
    },
    {
      cells: [
        '`ERR_CMALLOC_OUT_OF_MEMORY`',
        '`RangeError`',
        "C's allocator returned `NULL`; or the machine, its container or the limit of `setMemoryLimit` has not that much.",
      ],
      cases: {
        'the limit': async (t) => {
          // What earlier tests have dropped would be freed before anything is refused.
          await collectUntil(() => stats().liveBlocks === 0)
          using handle = malloc(600, 1, 'keep')
          const { liveBytes } = stats()
          const says = outOfMemory(
            new RegExp(
              `^Cannot allocate 500 bytes: ${liveBytes} of the set limit of ${liveBytes + 400} bytes are in use\\. Free blocks, ` +
                'ask for less, or raise the memory limit$',
            ),
          )
          const source = { address: libc.malloc(8) }
          setMemoryLimit(liveBytes + 400)
          try {
            refused(t, () => malloc(500), says)
            refused(t, () => handle.slice(0, 500), says)
            refused(t, () => NativeBuffer.from(new Uint8Array(500)), says)
            refused(t, () => handle.resize(1100), says)
            refused(t, () => consume(handle, 1100), says)
            refused(t, () => consume(source, 500), says)
            malloc(400).free()
          } finally {
            setMemoryLimit(null)
          }
          t.is(handle.view(Buffer, 0, 8).toString(), 'keepkeep')
          libc.free(source.address)
        },
        'the machine or its container': (t) => {
          const { availableBytes } = stats()
          const length = availableBytes ?? 2 ** 53 - 1
          const says =
            /^Cannot make \d+ bytes resident: the machine and its container have \d+ bytes left.*Free blocks, ask for less, or raise the container's memory limit$|the C allocator returned NULL/
          refused(t, () => malloc(length * 2), outOfMemory(says))
          refused(t, () => malloc(length, 1, 'zero'), outOfMemory(says))
        },
      },
      linuxCases: { 'the C allocator': allocatorReturnsNull },
    },
    {
      cells: [
        '`ERR_CMALLOC_LOCK_LIMIT`',
        '`RangeError`',
        'A secure block that cannot be locked: the process may lock no more (`ulimit -l`), or has nearly all the mappings that it may have (`vm.max_map_count`), or a sandbox forbids it.',
      ],
      linuxCases: {
        'the message says how much may be locked': async (t) => {
          const { code, stderr } = await runSource(
            `
            const assert = require('node:assert')
            const { malloc, stats } = require('cmalloc')
            assert.throws(() => malloc(100_000, 1, 'x', { secure: true }), {
              name: 'RangeError', code: 'ERR_CMALLOC_LOCK_LIMIT',
              message: /^Cannot lock 100000 bytes in memory: the process may lock 65536 bytes in all/,
            })
            assert.equal(stats().liveBytes, 0)`,
            { prefix: lockLimit(65_536) },
          )
          t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
        },
      },
    },
    {
      cells: [
        '`ERR_CMALLOC_FREED`',
        '`Error`',
        'Use of a handle whose block is gone, a second `free` too; of a region, an arena, a pool or a `MemManager` that is gone. `freed`, `byteLength`, `[Symbol.dispose]` and `util.inspect` never throw.',
      ],
      cases: {
        'however it went': (t) => {
          const ends: Record<string, (handle: NativeBuffer) => void> = {
            'its free()': (handle) => handle.free(),
            'free()': (handle) => free(handle),
            dispose: (handle) => handle[Symbol.dispose](),
            'release()': (handle) => libc.free(handle.release()),
            'consume()': (handle) => consume(handle, 4).free(),
          }
          for (const [end, run] of Object.entries(ends)) {
            const handle = malloc(8)
            const { buffer } = handle
            run(handle)
            t.is(buffer.byteLength, 0, end)
            for (const [use, call] of Object.entries(uses(handle))) {
              refused(
                t,
                call,
                freed(
                  /^Cannot [a-z ]+: .* is gone\. It was freed, released, consumed or handed over before: CMALLOC_DEBUG=1 shows where$/,
                ),
                `${use} after ${end}`,
              )
            }
            t.deepEqual(
              [handle.freed, handle.byteLength, inspect(handle)],
              [true, 0, 'NativeBuffer { freed: true }'],
              end,
            )
            t.notThrows(() => handle[Symbol.dispose](), end)
          }
        },
        'of what is built on blocks': (t) => {
          const [arena, pool] = [new Arena(), new Pool({ retainBytes: 100 })]
          const [region, manager] = [arena.malloc(8), new MemManager(8)]
          for (const gone of [arena, pool, manager]) gone[Symbol.dispose]()
          for (const [call, says] of [
            [() => region.bytes, /this region is gone/],
            [() => arena.malloc(8), /this arena was disposed/],
            [() => pool.malloc(8), /pool was disposed/],
            [() => manager.buffer, /memory of this MemManager was freed/],
          ] as const) {
            refused(t, call, freed(says))
          }
        },
      },
    },
    {
      cells: [
        '`ERR_CMALLOC_ESCAPED`',
        '`Error`',
        '`buffer`, `bytes`, `view`, `release`, `consume` or `handOver`, after somebody transferred the `ArrayBuffer` away: other JavaScript may still reach the bytes. `release`, `consume` or `handOver` of a block that is `shared`, likewise. `fill`, `slice`, `resize` and `free` work.',
      ],
      cases: Object.fromEntries(RUNTIMES.map((node) => [`on ${nameOf(node)}`, (t) => escaped(t, node)])),
    },
    {
      cells: [
        '`ERR_CMALLOC_PINNED`',
        '`Error`',
        '`free`, `freeNow`, `resize`, `release`, `consume` or `handOver` of a handle that a pin holds; `free`, `reset` or `rewind` of an arena of whose regions a pin holds one.',
      ],
      cases: {
        'each of them, until the last pin goes': (t) => {
          using handle = malloc(64, 1, 'mine')
          const pins = [handle.pin(), handle.pin()]
          const calls = {
            free: () => free(handle),
            resize: () => handle.resize(128),
            release: () => handle.release(),
            consume: () => consume(handle, 128),
            'hand over': () => handOver(handle),
          }
          for (const pin of pins) {
            for (const [operation, call] of Object.entries(calls)) {
              const says = new RegExp(
                `^Cannot ${operation}: this NativeBuffer is pinned.* Call unpin\\(\\) of its pins first$`,
              )
              refused(t, call, pinned(says))
            }
            pin.unpin()
          }
          t.is(handle.view(Buffer, 0, 4).toString(), 'mine')
          handle.resize(128)
        },
        'that of a region': (t) => {
          using arena = new Arena()
          const [mark, region] = [arena.mark(), arena.malloc(8)]
          using held = region.pin()
          t.truthy(held)
          for (const call of [
            () => arena.free(region),
            () => arena.reset(),
            () => arena.resetNow(),
            () => arena.rewind(mark),
            () => arena.rewindNow(mark),
            () => mark[Symbol.dispose](),
          ]) {
            refused(t, call, refusal(Error, 'ERR_CMALLOC_PINNED')(/a region of this arena is pinned/))
          }
        },
      },
    },
    {
      cells: ['`ERR_CMALLOC_SECURE`', '`Error`', "`release` of a secure block: C's `free` would not wipe it."],
      linuxCases: {
        'a block that is viewed, and stays as it is': (t) => {
          using handle = malloc(64, 1, 'x', { secure: true })
          const { address, bytes } = handle
          refused(
            t,
            () => handle.release(),
            refusal(Error, 'ERR_CMALLOC_SECURE')(/^Cannot release.*slice\(\)\.release/),
          )
          t.deepEqual([handle.address, handle.bytes], [address, bytes])
        },
      },
    },
    {
      cells: [
        '`ERR_CMALLOC_BAD_TICKET`',
        '`Error`',
        '`takeOver` of a ticket that was taken before, that is made up, or that is of another process or another copy of cmalloc.',
      ],
      cases: {
        'one that was taken, and one that is made up': (t) => {
          const ticket = handOver(malloc(64))
          takeOver(ticket).free()
          const says =
            /^No block waits for this ticket: it was taken already, or it is none of this process's, or it is one of another copy of cmalloc$/
          for (const bad of [ticket, { ticket: '', byteLength: 64 }, { ticket: '0'.repeat(32), byteLength: 64 }]) {
            refused(t, () => takeOver(bad), badTicket(says))
          }
        },
      },
    },
    {
      cells: [
        '`ERR_CMALLOC_ALREADY_OWNED`',
        '`Error`',
        '`consume` of an address inside a block that a handle of any thread owns, or a pool retains; a `MemManager` of memory that another one of its thread has.',
      ],
      cases: {
        'its beginning and its inside': (t) => {
          using handle = malloc(64, 1, 'mine')
          for (const offset of [0n, 16n, 56n]) {
            const source = { address: handle.address + offset }
            const says = new RegExp(
              `^The address 0x${source.address.toString(16)} lies in a block that a handle.*Consume the handle$`,
            )
            refused(t, () => consume(source, 64), alreadyOwned(says))
            t.is(source.address, handle.address + offset)
          }
          t.is(handle.view(Buffer, 0, 4).toString(), 'mine')
        },
        'what a pool retains': (t) => {
          using pool = new Pool({ retainBytes: 10_000 })
          const handle = pool.malloc(4096)
          const source = { address: handle.address }
          handle.free()
          refused(t, () => consume(source, 64), alreadyOwned(/lies in a block/))
        },
        'what a manager has': (t) => {
          using manager = new MemManager(100)
          const careless = { ...arrayBufferAllocator, getBufferAddress: () => manager.buffer + 8n }
          const call = () => new MemManager(8, 1, { allocator: careless })
          refused(t, call, alreadyOwned(/^Cannot manage the 8 bytes from .* which the MemManager with the identifier/))
        },
        'of another thread': async (t) => {
          const { code, stderr } = await runSource(`
            const { Worker, isMainThread, workerData } = require('node:worker_threads')
            const { consume, malloc } = require('cmalloc')
            const handle = malloc(64)
            const source = \`
              const { workerData } = require('node:worker_threads')
              require('node:assert').throws(
                () => require('cmalloc').consume({ address: workerData }, 64), { code: 'ERR_CMALLOC_ALREADY_OWNED' })\`
            new Worker(source, { eval: true, workerData: handle.address }).on('exit', (code) => {
              handle.free()
              process.exitCode = code
            })`)
          t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
        },
      },
    },
    {
      cells: [
        '`ERR_CMALLOC_NO_EXTERNAL_BUFFERS`',
        '`Error`',
        '`buffer`, `bytes`, `shared` or `view` where the runtime makes no `ArrayBuffer` over foreign memory (Electron), or of a block over `buffer.constants.MAX_LENGTH` (4 GiB on Node 20).',
      ],
      cases: {
        'over 4 GiB on Node 20': !NODE_VERSIONS.includes(20)
          ? 'it is not here'
          : async (t) => {
              const needed = 2 ** 32 + 2 ** 28
              t.true((stats().availableBytes ?? 0) > needed, `this test needs ${needed} bytes of memory`)
              const { code, stderr } = await runSource(
                `
            const assert = require('node:assert')
            const { malloc, stats } = require('cmalloc')
            const block = malloc(2 ** 32 + 1)
            const error = {
              name: 'Error', code: 'ERR_CMALLOC_NO_EXTERNAL_BUFFERS',
              message: /no ArrayBuffer over this block: it is longer than the longest one.*Use its address, fill\\(\\) and slice\\(\\)$/,
            }
            for (let round = 0; round < 2; round++) {
              assert.throws(() => block.buffer, error)
              assert.throws(() => block.bytes, error)
              assert.throws(() => block.view(Uint8Array, 0, 8), error)
            }
            assert.deepEqual([stats().liveBlocks, stats().liveBytes], [1, 2 ** 32 + 1])
            block.fill('ab', 2 ** 32 - 2)
            const tail = block.slice(-3)
            assert.equal(Buffer.from(tail.bytes).toString(), 'aba')
            tail.free()
            assert.equal(typeof block.address, 'bigint')
            assert.equal(block.resize(2 ** 32).buffer.byteLength, 2 ** 32)
            block.free()
            assert.equal(stats().liveBytes, 0)`,
                { node: 20 },
              )
              t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
            },
      },
    },
    {
      cells: [
        '`ERR_CMALLOC_CORRUPTED`',
        '`Error`',
        'Only in the [debug mode](../debug-mode.md): `free`, `resize`, `release`, `consume` or `handOver` of a block past whose end somebody wrote. `free` has freed it, the others have changed nothing.',
      ],
      cases: {
        // `debug.spec.ts` has the rest.
        'each of the five': async (t) => {
          const { code, stderr } = await runSource(
            `
            const assert = require('node:assert')
            const { consume, handOver, malloc, stats } = require('cmalloc')
            const memset = require('koffi').load(process.platform === 'win32' ? 'ucrtbase.dll' : null)
              .func('void *memset(void *to, int byte, size_t count)')
            const block = malloc(100)
            const calls = [
              () => block.resize(200), () => block.release(), () => consume(block, 200), () => handOver(block), () => block.free(),
            ]
            for (const call of calls) {
              assert.deepEqual([block.freed, block.byteLength], [false, 100])
              memset(block.address, 0, 101)
              const message = /^Memory was written to past the end of a block/
              assert.throws(call, { name: 'Error', code: 'ERR_CMALLOC_CORRUPTED', message })
            }
            assert.deepEqual([block.freed, stats().liveBlocks], [true, 0])
            `,
            { env: { CMALLOC_DEBUG: '1' } },
          )
          t.is(code, 0, stderr)
        },
      },
    },
    {
      cells: [
        '`ERR_CMALLOC_NO_BINDING`',
        '`Error`',
        '`import` or `require` of cmalloc where its addon cannot be loaded: there is no package for the platform, it was not installed, or the system or a flag forbids it. The error of the runtime is its `cause`.',
      ],
      cases: {
        'NAPI_RS_NATIVE_LIBRARY_PATH names no addon': async (t) => {
          const { code, stderr } = await runSource(
            `
            const assert = require('node:assert')
            assert.throws(() => require('cmalloc'), {
              name: 'Error', code: 'ERR_CMALLOC_NO_BINDING', message: /^cmalloc has no native binding for os .*, cpu .*/,
            })`,
            { env: { NAPI_RS_NATIVE_LIBRARY_PATH: '/nowhere' } },
          )
          t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
        },
      },
    },
    {
      cells: [
        '`ERR_FEATURE_UNAVAILABLE_ON_PLATFORM`',
        '`Error`',
        '`residentBytes` where the operating system does not tell; `align` over 1 GiB with musl, or over 16 on Windows; `secure` on Windows and macOS; `shared` on Node before 22.23, 24.16 and 26.1, and on Deno.',
      ],
      linuxCases: { 'a block with a hole in it': systemDoesNotTell },
    },
    {
      cells: ['`ABORT_ERR`', '`AbortError`', '`mallocAsync` whose signal was aborted; the reason is its `cause`.'],
      cases: {
        'the signal is aborted': async (t) => {
          const cause = new Error('why')
          const error = await t.throwsAsync(mallocAsync(8, 1, 'zero', { signal: AbortSignal.abort(cause) }))
          t.like(error, { name: 'AbortError', code: 'ABORT_ERR', cause })
          t.is(error?.message, 'The allocation was aborted. Its memory was given back')
        },
      },
    },
    {
      cells: [
        '`ERR_INVALID_STATE`',
        '`Error`',
        'In an arena, the end of a mark, or a `rewind` to it, while a later one is open: two users share the arena. From `cmalloc/native`, which `NativeBuffer` is built on: a slot that has a block already.',
      ],
      cases: {
        'a slot that has a block': (t) => {
          const slot = new Slot()
          slot.allocate(8)
          const says = refusal(Error, 'ERR_INVALID_STATE')(/^This slot has a block already\. Free it first$/)
          refused(t, () => slot.allocate(8), says)
          refused(t, () => slot.consume(0x1000n, 8), says)
          slot.free()
        },
        'a mark that is not the last one': (t) => {
          using arena = new Arena()
          const [earlier, later] = [arena.mark(), arena.mark()]
          const says = refusal(Error, 'ERR_INVALID_STATE')(/mark 1 .* mark 2, which was made later, is open/)
          refused(t, () => earlier[Symbol.dispose](), says)
          for (const call of [() => arena.rewind(earlier), () => arena.rewindNow(earlier)]) refused(t, call, says)
          later[Symbol.dispose]()
          t.notThrows(() => earlier[Symbol.dispose]())
        },
      },
    },
  ],
)

/** Everything that can be done with a handle, but for what never throws. */
function uses(handle: NativeBuffer): Record<string, () => unknown> {
  return {
    address: () => handle.address,
    buffer: () => handle.buffer,
    bytes: () => handle.bytes,
    view: () => handle.view(Uint8Array),
    fill: () => handle.fill(0),
    slice: () => handle.slice(),
    resize: () => handle.resize(8),
    residentBytes: () => handle.residentBytes(),
    release: () => handle.release(),
    free: () => handle.free(),
    'free()': () => free(handle),
    'getBufferAddress()': () => getBufferAddress(handle),
    'consume()': () => consume(handle, 8),
  }
}

async function escaped(t: ExecutionContext, node: (typeof RUNTIMES)[number]): Promise<void> {
  const { code, stderr } = await runSource(
    `
    const assert = require('node:assert')
    const { consume, malloc, stats } = require('cmalloc')
    const block = malloc(64, 1, 7)
    const { buffer } = block
    let reader
    if (buffer.transfer) {
      globalThis.moved = buffer.transfer()
    } else {
      // A stream of bytes takes over the memory of what it is given.
      const stream = new ReadableStream({ type: 'bytes', start: (controller) => controller.enqueue(block.bytes) })
      reader = stream.getReader()
    }
    assert.equal(buffer.byteLength, 0)
    const error = {
      name: 'Error', code: 'ERR_CMALLOC_ESCAPED',
      message: /was transferred or cannot be detached.*other JavaScript may still reach its bytes\\. Copy them with slice\\(\\), and free this handle$/,
    }
    for (const use of [
      () => block.buffer, () => block.bytes, () => block.view(Uint8Array),
      () => block.release(), () => consume(block, 64), () => consume(block, 10),
    ]) {
      assert.throws(use, error)
      assert.deepEqual([stats().liveBlocks, stats().liveBytes, block.freed, block.byteLength], [1, 64, false, 64])
    }
    block.fill(8, 1)
    const copy = block.slice(0, 2)
    assert.deepEqual([...copy.bytes], [7, 8])
    copy.free()
    const { address } = block
    assert.notEqual(block.resize(3).address, address)
    assert.deepEqual([...block.bytes], [7, 8, 8])
    block.free()
    assert.equal(stats().awaitingFinalizerBytes, 64)
    Promise.resolve(reader?.read()).then((chunk) => {
      const bytes = chunk?.value ?? new Uint8Array(moved)
      assert.deepEqual([bytes.length, bytes[0], bytes[63]], [64, 7, 8])
    })`,
    { node },
  )
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
}

async function allocatorReturnsNull(t: ExecutionContext): Promise<void> {
  const { code, stderr } = await runSource(`
    const assert = require('node:assert'), { readFileSync } = require('node:fs')
    const setrlimit = require('koffi').load(null).func('int setrlimit(int resource, const void *limit)')
    const { consume, malloc, stats } = require('cmalloc')
    const block = malloc(8, 1, 'contents')
    const RLIMIT_AS = 9, size = Number(/VmSize:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
    assert.equal(setrlimit(RLIMIT_AS, new BigUint64Array([BigInt(size + 2 ** 28), 2n ** 64n - 1n])), 0)
    const error = {
      name: 'RangeError', code: 'ERR_CMALLOC_OUT_OF_MEMORY',
      message: 'Cannot allocate 1073741824 bytes: the C allocator returned NULL. ' +
        'Ask for less, or raise the limit that the process has met: of its address space (ulimit -v), its data ' +
        '(ulimit -d) or its mappings (vm.max_map_count)',
    }
    assert.throws(() => malloc(2 ** 30), error)
    assert.throws(() => malloc(2 ** 30, 1, 'zero'), error)
    assert.throws(() => block.resize(2 ** 30), error)
    assert.equal(block.view(Buffer).toString(), 'contents')
    assert.deepEqual([stats().liveBlocks, stats().liveBytes], [1, 8])`)
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
}

async function systemDoesNotTell(t: ExecutionContext): Promise<void> {
  const { code, stderr } = await runSource(`
    const assert = require('node:assert')
    const munmap = require('koffi').load(null).func('int munmap(size_t start, size_t length)')
    const { malloc, stats } = require('cmalloc')
    const block = malloc(2 ** 26)
    assert.equal(block.residentBytes(), 2 ** 26)
    assert.equal(munmap((block.address + 2n ** 24n) & ~0xffffn, 2 ** 20), 0)
    assert.throws(() => block.residentBytes(), {
      name: 'Error', code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM', message: /^The system does not tell what is resident: /,
    })
    block.free()
    assert.equal(stats().liveBytes, 0)`)
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
}

test('Errors: the page has every code of the type ErrorCode, and no others', (t) => {
  const [, union = ''] =
    /export type ErrorCode =\n((?: +\| '\w+'\n)+)/.exec(readDocument('lib/runtime/errors.ts')) ?? []
  const codes = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code!)
  t.true(codes.length >= 11)
  const [, ...rows] = table(ERRORS, 'Errors')
  t.deepEqual(rows.map(([code]) => code).sort(), codes.map((code) => `\`${code}\``).sort())
})
