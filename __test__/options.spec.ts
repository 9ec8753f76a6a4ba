import { readFileSync } from 'node:fs'
import test from 'ava'
import { consume, handOver, malloc, mallocAsync, NativeBuffer, setMemoryLimit, stats, takeOver } from 'cmalloc'
import * as libc from './support/libc.js'
import { readDocument, table } from './support/readme.js'
import { runSource } from './support/run.js'
import {
  collectUntil,
  escape,
  everythingIsGivenBack,
  linuxTest,
  memAvailable,
  MiB,
  noLimitIsLeftBehind,
} from './support/memory.js'
import { IS_WINDOWS, LARGEST_ALIGNMENT } from './support/system.js'

const GiB = 2 ** 30

/** Those that every system can serve. */
const ALIGNMENTS = [1, 2, 8, 16, 32, 64, 512, 4096, 65_536, 2 * MiB, GiB, 4 * GiB].filter(
  (align) => align <= LARGEST_ALIGNMENT,
)

const before = everythingIsGivenBack()
noLimitIsLeftBehind()

const isAligned = (block: NativeBuffer, align: number): boolean => block.address % BigInt(align) === 0n

/** The process's resident memory, to the page. */
function residentSet(): number {
  return Number(/^Rss:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))![1]) * 1024
}

// align

for (const align of ALIGNMENTS) {
  test.serial(`blocks of any size are aligned to ${align}, resident and filled`, (t) => {
    for (const size of [1, 17, 4095, 4096, 4097, 100_000, 3 * MiB + 1]) {
      using block = malloc(size, 1, 'AB', { align })
      t.true(isAligned(block, align))
      t.is(block.byteLength, size)
      t.is(block.residentBytes(), size)
      t.true(Buffer.from(block.bytes).equals(Buffer.alloc(size, 'AB')))
      using zeros = malloc(size, 1, 'zero', { align })
      t.true(isAligned(zeros, align))
      t.true(zeros.bytes.every((byte) => byte === 0))
    }
  })

  test.serial(`a resize keeps the alignment to ${align}, and the contents`, (t) => {
    using block = malloc(1000, 1, 'abc', { align })
    let kept = 1000
    for (const size of [1001, 70_000, 5 * MiB, 40 * MiB, 3 * MiB, 4097, 10, 4096]) {
      block.resize(size, 'x')
      t.true(isAligned(block, align), `${size}`)
      t.is(block.byteLength, size)
      t.is(block.residentBytes(), size)
      kept = Math.min(kept, size)
      t.is(Buffer.from(block.bytes.subarray(0, kept)).toString(), 'abc'.repeat(334).slice(0, kept))
      t.true(block.bytes.subarray(kept).every((byte) => byte === 120))
    }
  })
}

test.serial('zeros are zeros in memory that was used before', (t) => {
  for (const size of [100, 5000, 200_000, 3 * MiB]) {
    for (const lazy of [false, true]) {
      for (let round = 0; round < 8; round++) {
        const blocks = [64, 4096].map((align) => malloc(size, 1, 'zero', IS_WINDOWS ? { lazy } : { align, lazy }))
        for (const block of blocks) {
          t.true(block.bytes.every((byte) => byte === 0))
          block.fill('x').free()
        }
      }
    }
  }
})

test.serial('mallocAsync aligns, and fills', async (t) => {
  const align = LARGEST_ALIGNMENT
  for (const init of [undefined, 'zero', 7, 'text'] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    using block = await mallocAsync(33 * MiB, 1, init, { align })
    t.true(isAligned(block, align))
    t.is(block.residentBytes(), 33 * MiB)
    if (init !== undefined) t.true(Buffer.from(block.buffer).equals(Buffer.alloc(33 * MiB, init === 'zero' ? 0 : init)))
  }
  await t.throwsAsync(mallocAsync(100, 1, undefined, { align: 3 }), { code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(mallocAsync(100, 1, undefined, { lazy: true } as never), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /use malloc\(\)/,
  })
})

if (!IS_WINDOWS) {
  test.serial('an aligned block keeps its alignment wherever it goes: moved, handed over, escaped', async (t) => {
    const align = 65_536
    using moved = consume(malloc(100, 1, 'x', { align }), 200_000)
    t.true(isAligned(moved, align))
    using taken = takeOver(handOver(malloc(100, 1, 'y', { align })))
    t.true(isAligned(taken.resize(300_000), align))
    const block = malloc(100, 1, 'z', { align })
    let escaped: ArrayBuffer | undefined = await escape(block)
    block.resize(3000)
    t.true(isAligned(block, align))
    t.is(block.bytes[99], 122)
    t.is(new Uint8Array(escaped)[99], 122)
    block.free()
    escaped = undefined
    await collectUntil(() => stats().liveBlocks === before.liveBlocks + 2)
  })

  test.serial('what is released is an ordinary block of C, of that alignment', (t) => {
    const address = malloc(100, 1, 'x', { align: 4096 }).release()
    t.is(address % 4096n, 0n)
    t.is(libc.read(address, 100).toString(), 'x'.repeat(100))
    libc.free(address)
  })

  test.serial('a copy and a consumed block are aligned as malloc aligns', (t) => {
    using block = malloc(5000, 1, 'x', { align: GiB })
    using copy = block.slice()
    t.false(isAligned(copy, GiB))
    t.is(copy.bytes[4999], 120)
  })

  test.serial('a refused resize leaves an aligned block as it is, ArrayBuffer included', (t) => {
    using block = malloc(5000, 1, 'x', { align: 4096 })
    const { address, bytes } = block
    // A copy holds both for a moment, which is more than there is room for.
    setMemoryLimit(stats().liveBytes + 300_000)
    t.throws(() => block.resize(300_001), { code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
    t.deepEqual([block.address, block.byteLength, block.bytes], [address, 5000, bytes])
    t.is(bytes[4999], 120)
    t.is(block.resize(290_000).residentBytes(), 290_000)
  })
}

// lazy

linuxTest('2 GiB aligned as far as can be cost addresses, and no memory until they are used', (t) => {
  const resident = residentSet()
  for (const init of [undefined, 'zero'] as const) {
    using block = malloc(2 * GiB, 1, init, { align: LARGEST_ALIGNMENT, lazy: true })
    t.true(isAligned(block, LARGEST_ALIGNMENT))
    t.true(block.residentBytes() < MiB, `${block.residentBytes()} bytes are resident`)
    t.true(residentSet() - resident < 16 * MiB)
    // Both ends are there to be used.
    block.view(Uint8Array, 0, 1)[0] = 1
    block.view(Uint8Array, 2 * GiB - 1)[0] = 2
    t.deepEqual([block.bytes[0], block.bytes[2 * GiB - 1]], [1, 2])
    t.true(block.residentBytes() < 5 * MiB)
  }
  t.true(residentSet() - resident < 16 * MiB)
})

linuxTest('an aligned block that is not lazy takes the memory that it holds, and no more', (t) => {
  const resident = residentSet()
  using block = malloc(100 * MiB, 1, undefined, { align: LARGEST_ALIGNMENT })
  t.is(block.residentBytes(), 100 * MiB)
  const taken = residentSet() - resident
  t.true(taken < 120 * MiB, `${taken} bytes`)
})

linuxTest('a resize keeps a block lazy: what was used stays, and nothing else comes', (t) => {
  for (const align of [1, 4096, LARGEST_ALIGNMENT]) {
    using block = malloc(200 * MiB, 1, 'zero', { lazy: true, align })
    block.bytes.fill(120, 50 * MiB, 51 * MiB)
    const used = block.residentBytes()
    t.true(used >= MiB && used < 8 * MiB, `${used} for ${align}`)
    for (const size of [900 * MiB, 150 * MiB, 2 * GiB]) {
      block.resize(size)
      t.true(isAligned(block, align))
      t.true(block.residentBytes() < 16 * MiB, `${block.residentBytes()} of ${size} for ${align}`)
      t.true(block.bytes.subarray(50 * MiB, 51 * MiB).every((byte) => byte === 120))
      t.is(block.bytes[50 * MiB - 1], 0)
    }
  }
})

linuxTest('a lazy block whose bytes were moved away is copied as far as it is not zero', async (t) => {
  const block = malloc(400 * MiB, 1, 'zero', { lazy: true })
  block.bytes[5] = 7
  let moved: ArrayBuffer | undefined = await escape(block)
  block.resize(500 * MiB)
  t.true(block.residentBytes() < 8 * MiB, `${block.residentBytes()} bytes`)
  t.deepEqual([block.bytes[5], new Uint8Array(moved)[5]], [7, 7])
  block.free()
  moved = undefined
  await collectUntil(() => stats().liveBlocks === before.liveBlocks)
})

linuxTest('a block is lazy in the debug mode too, also as it is freed', async (t) => {
  const program = `
    const { malloc } = require('cmalloc')
    for (const align of [1, 4096]) {
      const block = malloc(2 ** 33, 1, undefined, { lazy: true, align })
      block.resize(2 ** 32)
      if (block.residentBytes() > 2 ** 20) throw new Error('it is resident')
      block.free()
    }
    malloc(100, 1, 'x', { align: 4096 }).resize(5000).free()
    console.log(process.resourceUsage().maxRSS < 2 ** 18)`
  // On its standard error an allocator may tell that it was asked for much.
  const { code, stdout } = await runSource(program, { env: { CMALLOC_DEBUG: '1', DEBUG: '' } })
  t.deepEqual({ code, stdout }, { code: 0, stdout: 'true\n' })
})

linuxTest('an aligned block that shrinks gives its memory back', (t) => {
  const resident = residentSet()
  using block = malloc(200 * MiB, 1, 'x', { align: 4096 })
  block.resize(MiB)
  t.true(residentSet() - resident < 20 * MiB)
  t.true(block.bytes.every((byte) => byte === 120))
  t.is(block.resize(50 * MiB).residentBytes(), 50 * MiB)
})

linuxTest('what the machine has left is not asked for a lazy block, but the set limit counts', (t) => {
  setMemoryLimit(stats().liveBytes + GiB)
  t.throws(() => malloc(GiB + 1, 1, undefined, { lazy: true }), { code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
  using block = malloc(GiB, 1, undefined, { lazy: true })
  t.is(stats().liveBytes - before.liveBytes, GiB)
  t.throws(() => block.resize(GiB + 1), { code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
  t.is(block.byteLength, GiB)
  setMemoryLimit(null)
  // More than is left, in parts that the system promises one by one.
  const parts = Math.ceil(memAvailable() / (4 * GiB)) + 1
  const blocks = Array.from({ length: parts }, () => malloc(4 * GiB, 1, undefined, { lazy: true }))
  t.true(parts * 4 * GiB > memAvailable())
  for (const lazy of blocks) lazy.free()
})

// Arguments

test('the reference has a row for each option', (t) => {
  const [, ...rows] = table(readDocument('docs/reference/malloc.md'), 'Options')
  t.deepEqual(
    rows.map(([option]) => option),
    ['`align`', '`lazy: true`', '`secure: true`'],
  )
})

test('options that make no sense are refused, and say why', (t) => {
  const cases: [options: unknown, code: string, message: RegExp, init?: 'A'][] = [
    [null, 'ERR_INVALID_ARG_TYPE', /options must be an object\. Received null/],
    [4096, 'ERR_INVALID_ARG_TYPE', /options must be an object\. Received 4096/],
    [{ align: '16' }, 'ERR_INVALID_ARG_TYPE', /options\.align must be a number\. Received "16"/],
    [{ align: 16n }, 'ERR_INVALID_ARG_TYPE', /options\.align must be a number/],
    [{ lazy: 1 }, 'ERR_INVALID_ARG_TYPE', /options\.lazy must be a boolean\. Received 1/],
    [{ secure: 'yes' }, 'ERR_INVALID_ARG_TYPE', /options\.secure must be a boolean/],
    [{ lazy: true, secure: true }, 'ERR_INVALID_ARG_VALUE', /options\.lazy must not be true if options\.secure is/],
    [{ lazy: true }, 'ERR_INVALID_ARG_VALUE', /touches each of its pages/, 'A'],
  ]
  for (const align of [0, -1, -16, 3, 24, 1.5, Number.NaN, Infinity, 2 ** 31 + 1, 2 ** 32 - 1, 2 ** 33, 2 ** 64])
    cases.push([{ align }, 'ERR_OUT_OF_RANGE', /options\.align must be a power of two from 1 to 2\^32\. Received/])
  for (const [options, code, message, init] of cases)
    t.throws(() => malloc(100, 1, init, options as never), { code, message })
})

test('an alignment that the allocator cannot give is refused, with the largest that it can', (t) => {
  const expected = {
    code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM',
    message: new RegExp(`more than ${LARGEST_ALIGNMENT} bytes`),
  }
  for (let align = 2 * LARGEST_ALIGNMENT; align <= 4 * GiB; align *= 2) {
    t.throws(() => malloc(100, 1, undefined, { align }), expected)
    t.throws(() => malloc(100, 1, undefined, { align, lazy: true }), expected)
  }
  using block = malloc(100, 1, undefined, { align: LARGEST_ALIGNMENT })
  t.true(isAligned(block, LARGEST_ALIGNMENT))
})

test('options of which none is set are none', (t) => {
  for (const options of [undefined, {}, { align: 1, lazy: false, secure: false }, { align: undefined }]) {
    using block = malloc(100, 1, 'x', options)
    t.is(block.residentBytes(), 100)
  }
})
