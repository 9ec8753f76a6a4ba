import { randomFill } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { consume, handOver, malloc, mallocAsync, NativeBuffer, stats, takeOver } from 'cmalloc'
import { OWN } from './support/command.js'
import * as libc from './support/libc.js'
import { lockLimit } from './support/lock-limit.js'
import { collectUntil, escape, everythingIsGivenBack, linuxTest, MiB } from './support/memory.js'
import { notRun } from './support/not-run.js'
import { ROOT, runSource } from './support/run.js'
import { HAS_SECURE } from './support/system.js'

const SECURE = { secure: true }

const randomFillLater = promisify(randomFill) as (buffer: Buffer) => Promise<unknown>

/** What the system says of the mapping that an address lies in. */
function flagsAt(address: bigint): string[] {
  let isInside = false
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line) ?? []
    if (start !== undefined) isInside = BigInt(`0x${start}`) <= address && address < BigInt(`0x${end}`)
    else if (isInside && line.startsWith('VmFlags:')) return line.split(' ').slice(1)
  }
  return []
}

/** Locked and hidden from dumps, from its first page to its last. */
function isProtected({ address, byteLength }: NativeBuffer): boolean {
  return [address, address + BigInt(byteLength) - 1n].every((byte) => {
    const flags = flagsAt(byte)
    return flags.includes('lo') && flags.includes('dd')
  })
}

/** What memory is read into: made once, as it could take the place of what was freed. */
const bytes = Buffer.alloc(5 * MiB)

/**
 * How many bytes side by side of those that were a block's still hold this one, whosever they are; none if nothing is
 * mapped there. One or two alone are somebody's who was given the memory since.
 */
function left(start: bigint, length: number, byte: number): number {
  const memory = openSync('/proc/self/mem', 'r')
  try {
    const read = readSync(memory, bytes, 0, length, start)
    let [run, longest] = [0, 0]
    for (const found of bytes.subarray(0, read)) {
      run = found === byte ? run + 1 : 0
      longest = Math.max(longest, run)
    }
    return longest > 4 ? longest : 0
  } catch {
    return 0
  } finally {
    closeSync(memory)
  }
}

const before = everythingIsGivenBack()

if (!HAS_SECURE) {
  test('where nothing can be locked and hidden, a secure block is refused', (t) => {
    t.throws(() => malloc(32, 1, 'zero', SECURE), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' })
  })
}

linuxTest('a secure block is locked and hidden as long as it lives, whether it shares its pages or not', (t) => {
  for (const size of [1, 32, 4096, 4097, 100_000, 3 * MiB]) {
    const block = malloc(size, 1, 'k', SECURE)
    const neighbour = malloc(size, 1, 'k', SECURE)
    t.true(isProtected(block))
    t.is(block.address % 16n, 0n)
    t.is(block.residentBytes(), size)
    t.true(block.bytes.every((byte) => byte === 107))
    const { address } = neighbour
    block.free()
    // The end of the first must not unlock a page of both.
    t.is(neighbour.address, address)
    t.true(isProtected(neighbour))
    neighbour.free()
    t.deepEqual(
      flagsAt(address).filter((flag) => flag === 'lo' || flag === 'dd'),
      [],
    )
  }
})

linuxTest('100,000 keys take a few MB of what may be locked, and a few mappings', async (t) => {
  const program = `
    const assert = require('node:assert')
    const { readFileSync } = require('node:fs')
    const { malloc, stats } = require('cmalloc')
    const locked = () => Number(/^VmLck:\\s+(\\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
    /** How many mappings are locked and hidden. */
    const mappings = () => readFileSync('/proc/self/smaps', 'utf8').match(/^VmFlags:.* lo .*dd/gm)?.length ?? 0
    const keys = Array.from({ length: 100_000 }, (_, index) => malloc(32, 1, index & 255, { secure: true }))
    console.log(locked(), mappings())
    for (let index = 0; index < 100_000; index += 10) assert(keys[index].bytes.every((byte) => byte === (index & 255)))
    // Every second one, in another order.
    for (let index = 99_998; index >= 0; index -= 2) keys[index].free()
    for (let index = 0; index < 100_000; index += 2) keys[index] = malloc(32, 1, 1, { secure: true })
    for (const key of keys) key.free()
    console.log(locked(), mappings(), stats().liveBlocks)`
  const { code, stdout, stderr } = await runSource(program, { prefix: lockLimit(8 * MiB) })
  t.deepEqual([code, stderr], [0, ''])
  const [kB, mappings, ...after] = stdout.trim().split(/\s+/).map(Number)
  t.true(kB! >= 3125 && kB! <= 6 * 1024, `${kB} kB`)
  t.true(mappings! >= 1 && mappings! <= 24, `${mappings} mappings`)
  t.deepEqual(after, [0, 0, 0], 'everything is given back')
})

/** `vm.max_map_count`, where so many pages can be locked that it is met. */
const mostMappings =
  process.platform === 'linux' && process.getuid?.() === 0
    ? Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8'))
    : Infinity

const mappingsTest =
  mostMappings < 100_000
    ? linuxTest
    : (title: string) => notRun(title, 'so many pages cannot be locked here, or there may be more mappings')

mappingsTest(
  'before larger ones have all mappings of the process, there is an error, and the program goes on',
  async (t) => {
    const program = `
    const assert = require('node:assert')
    const { readFileSync } = require('node:fs')
    const { malloc } = require('cmalloc')
    const blocks = []
    assert.throws(
      () => {
        for (;;) blocks.push(malloc(4097, 1, 'x', { secure: true }))
      },
      {
        name: 'RangeError',
        code: 'ERR_CMALLOC_LOCK_LIMIT',
        message: /^Cannot make a secure block of 4097 bytes: the process has \\d+ of the ${mostMappings} mappings .*vm\\.max_map_count/,
      },
    )
    const mappings = readFileSync('/proc/self/maps', 'utf8').split('\\n').length
    assert(mappings > ${mostMappings / 2} && mappings < ${0.9 * mostMappings}, String(mappings))
    for (const block of blocks.splice(0, 1000)) block.free()
    for (let round = 0; round < 100; round++) blocks.push(malloc(4097, 1, 'x', { secure: true }))
    console.log('done')`
    const { code, stdout, stderr } = await runSource(program)
    t.deepEqual([code, stdout, stderr], [0, 'done\n', ''])
  },
)

linuxTest('what shares its pages is wiped as it is freed, and its neighbours keep their bytes', (t) => {
  for (const size of [16, 33, 1000]) {
    const blocks = [malloc(size, 1, 0xa7, SECURE), malloc(size, 1, 0xa7, SECURE), malloc(size, 1, 0xa7, SECURE)]
    const addresses = blocks.map((block) => block.address)
    blocks[1]!.free()
    t.deepEqual(
      addresses.map((address) => left(address, size, 0xa7)),
      [size, 0, size],
    )
    blocks[0]!.free()
    blocks[2]!.free()
  }
})

linuxTest('nobody consumes an address among secure blocks, also where one was', (t) => {
  using block = malloc(32, 1, 'k', SECURE)
  const other = malloc(32, 1, 'k', SECURE)
  const addresses = [block.address, block.address + 16n, other.address]
  other.free()
  for (const address of addresses) t.throws(() => consume({ address }, 10), { code: 'ERR_CMALLOC_ALREADY_OWNED' })
})

linuxTest('the debug mode finds what was written past the end of one that shares its page', async (t) => {
  const program = `
    const { malloc } = require('cmalloc')
    const koffi = require('koffi')
    const memset = koffi.load(null).func('void *memset(uintptr_t to, int byte, size_t count)')
    const [key, other] = [malloc(32, 1, 'k', { secure: true }), malloc(32, 1, 'k', { secure: true })]
    memset(key.address, 1, 33)
    try {
      key.free()
    } catch (error) {
      console.log(error.code)
    }
    other.resize(5000).resize(10).free()
    // Nothing of the redzone is left to whoever has the cell next.
    console.log(malloc(32, 1, 'zero', { secure: true }).bytes.every((byte) => byte === 0))`
  const { stdout } = await runSource(program, { env: { CMALLOC_DEBUG: '1' } })
  t.is(stdout, 'ERR_CMALLOC_CORRUPTED\ntrue\n')
})

linuxTest('the freed pages read back as zeros', (t) => {
  let seen = 0
  for (const size of [32, 5000, 5000, 100_000, 100_000]) {
    // Behind each of them something stays, so that the heap is not cut off.
    const [plain, between, secure, after] = [undefined, undefined, SECURE, undefined].map((options) =>
      malloc(size, 1, 0xa7, options),
    ) as [NativeBuffer, NativeBuffer, NativeBuffer, NativeBuffer]
    const addresses = [plain.address, secure.address] as const
    plain.free()
    secure.free()
    t.is(left(addresses[1], size, 0xa7), 0)
    seen = Math.max(seen, left(addresses[0], size, 0xa7))
    between.free()
    after.free()
  }
  // What this test sees of blocks that nobody wipes, if they were not given to somebody else at once.
  t.true(seen > 1000, `${seen} bytes`)
})

const testOfBytesInUse =
  OWN === undefined ? linuxTest : (title: string) => notRun(title, 'Bun and Deno cannot be asked what is in flight')

testOfBytesInUse('one that is freed while it may be in use is wiped at once, and ends once it is not', async (t) => {
  const blocks = [malloc(5000, 1, 0xa7, SECURE), malloc(5000, 1, 0xa7)]
  const views = blocks.map((block) => block.bytes)
  const done = randomFillLater(Buffer.alloc(2 ** 20))
  for (const block of blocks) block.free()
  t.deepEqual(
    views.map(({ length }) => length),
    [5000, 5000],
    'both are let go',
  )
  t.true(views[0]!.every((byte) => byte === 0))
  t.true(views[1]!.every((byte) => byte === 0xa7))
  await done
  views.length = 0
  await collectUntil(() => stats().letGoBlocks === 0)
})

linuxTest('however it ends, nothing is left of it', async (t) => {
  const size = 5000
  const isWiped = async (make: () => bigint, end?: () => Promise<void>): Promise<void> => {
    const keep = malloc(size, 1, 1)
    const address = make()
    const after = malloc(size, 1, 1)
    await end?.()
    t.is(left(address, size, 0xa7), 0)
    keep.free()
    after.free()
  }
  const collected = (): Promise<void> => collectUntil(() => stats().liveBlocks === before.liveBlocks + 2)
  const ended = (end: (block: NativeBuffer) => void) => () => {
    const block = malloc(size, 1, 0xa7, SECURE)
    const { address } = block
    end(block)
    return address
  }
  await isWiped(ended((block) => block.free()))
  await isWiped(ended((block) => block[Symbol.dispose]()))
  await isWiped(ended((block) => takeOver(handOver(block)).free()))
  await isWiped(ended((block) => consume(block, 10).free()))
  await isWiped(ended((block) => consume(block, 100_000).free()))
  await isWiped(ended((block) => block.resize(10).free()))
  await isWiped(ended((block) => block.resize(100_000).free()))
  await isWiped(
    ended(() => {}),
    collected,
  )
  // Its last holder is an ArrayBuffer that cmalloc was not told about.
  let escaped: Promise<ArrayBuffer> | undefined
  await isWiped(
    ended((block) => {
      escaped = escape(block)
      block.free()
    }),
    async () => {
      t.is(new Uint8Array(await escaped!)[4999], 0xa7)
      escaped = undefined
      await collected()
    },
  )
})

linuxTest('a resize keeps it secure, and leaves nothing behind', (t) => {
  using block = malloc(5000, 1, 0xa7, SECURE)
  let kept = 5000
  for (const size of [5001, 100_000, 3 * MiB, 4096, 10]) {
    const { address, byteLength } = block
    block.resize(size, 1)
    kept = Math.min(kept, size)
    t.true(isProtected(block))
    t.true(block.bytes.subarray(0, kept).every((byte) => byte === 0xa7))
    t.true(block.bytes.subarray(kept).every((byte) => byte === 1))
    if (block.address !== address) t.is(left(address, byteLength, 0xa7), 0)
  }
})

linuxTest('it can be aligned, and made in steps', async (t) => {
  using block = malloc(5000, 1, 'x', { secure: true, align: 65_536 })
  t.is(block.address % 65_536n, 0n)
  t.true(isProtected(block))
  using large = await mallocAsync(40 * MiB, 1, 'pattern', { secure: true })
  t.true(isProtected(large))
  t.is(large.residentBytes(), 40 * MiB)
  t.is(Buffer.from(large.bytes.subarray(0, 14)).toString(), 'patternpattern')
})

linuxTest('one that is refused or given up half-way takes no more memory than it had', async (t) => {
  const program = `
    const assert = require('node:assert')
    const { malloc, mallocAsync, stats } = require('cmalloc')
    const most = () => process.resourceUsage().maxRSS * 1024
    const before = most()
    async function main() {
      const giveUp = { onProgress: () => { throw new Error('enough') }, secure: true }
      await assert.rejects(mallocAsync(400 * 2 ** 20, 1, 'secret', giveUp), /enough/)
      assert.strictEqual(stats().liveBytes, 0)
      assert(most() - before < 200 * 2 ** 20, 'a whole block was touched')
    }
    main().then(() => console.log('done'))`
  const { stdout, stderr } = await runSource(program)
  t.deepEqual([stdout, stderr], ['done\n', ''])
})

linuxTest('a pattern that is repeated in steps is kept nowhere else', async (t) => {
  const program = `
    const { openSync, readFileSync, readSync } = require('node:fs')
    const { mallocAsync } = require('cmalloc')
    const pattern = new Uint8Array(60_000).map((_, index) => (index * 31 + (index >> 8) * 7) & 255)
    // Not the secret itself, which the search would find: each of its bytes is another.
    const wanted = Buffer.from(pattern.subarray(30_000, 30_064).map((byte) => byte ^ 255))
    async function main() {
      const block = await mallocAsync(60_000, 1, pattern, { secure: true })
      pattern.fill(0)
      block.free()
      const memory = openSync('/proc/self/mem')
      let found = 0
      for (const line of readFileSync('/proc/self/maps', 'utf8').split('\\n')) {
        const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw.*\\[heap\\]/.exec(line) ?? []
        if (from === undefined) continue
        const heap = Buffer.alloc(Number(BigInt('0x' + to) - BigInt('0x' + from)))
        readSync(memory, heap, 0, heap.length, BigInt('0x' + from))
        for (let index = 0; index < heap.length; index++) heap[index] ^= 255
        if (heap.includes(wanted)) found++
      }
      console.log(found)
    }
    main()`
  const { stdout, stderr } = await runSource(program)
  t.deepEqual([stdout, stderr], ['0\n', ''])
})

linuxTest('it is not released, as nobody would wipe it; but a copy is', (t) => {
  using block = malloc(100, 1, 'x', SECURE)
  const view = block.bytes
  t.throws(() => block.release(), { code: 'ERR_CMALLOC_SECURE', message: /slice\(\)\.release\(\)/ })
  t.is(block.bytes, view)
  const address = block.slice().release()
  t.is(libc.read(address, 3).toString(), 'xxx')
  libc.free(address)
})

linuxTest('at the lock limit there is an error, which names the limit; and room again after a free', async (t) => {
  const program = `
    const assert = require('node:assert')
    const { openSync, readSync } = require('node:fs')
    const { consume, malloc, stats } = require('cmalloc')
    const refused = {
      name: 'RangeError',
      code: 'ERR_CMALLOC_LOCK_LIMIT',
      message: /^Cannot lock \\d+ bytes in memory: the process may lock 65536 bytes in all\\. .*ulimit -l/,
    }
    assert.throws(() => malloc(100_000, 1, 'x', { secure: true }), refused)
    const blocks = []
    assert.throws(() => {
      for (;;) blocks.push(malloc(4096, 1, 'x', { secure: true }))
    }, refused)
    assert.ok(blocks.length > 4 && blocks.length <= 16, String(blocks.length))
    assert.strictEqual(stats().liveBlocks, blocks.length)
    const { bytes } = blocks[0]
    assert.throws(() => blocks[0].resize(8192), refused)
    assert.deepStrictEqual([blocks[0].byteLength, blocks[0].bytes, bytes[4095]], [4096, bytes, 120])
    // There is no room for a copy: it stays where it is, shorter, and what it loses is wiped.
    const { address } = blocks[0]
    blocks[0] = consume(blocks[0], 10)
    assert.deepStrictEqual([blocks[0].address, blocks[0].byteLength, blocks[0].bytes[9]], [address, 10, 120])
    const lost = Buffer.alloc(4086, 1)
    readSync(openSync('/proc/self/mem'), lost, 0, 4086, address + 10n)
    assert(lost.every((byte) => byte === 0))
    for (const block of blocks) block.free()
    malloc(32_768, 1, 'x', { secure: true }).free()
    // What was dropped is collected before anything is refused; in Deno nobody can ask for that.
    if (!('Deno' in globalThis)) for (let round = 0; round < 100; round++) malloc(16_384, 1, 'x', { secure: true })
    console.log('done')
  `
  const { code, stdout, stderr } = await runSource(program, { prefix: lockLimit(65_536) })
  t.deepEqual([code, stdout.trim()], [0, 'done'], stderr)
  t.regex(stderr, /CMALLOC_CONSUME_REALLOC_FAILED/)
})

const corePattern = process.platform === 'linux' ? readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim() : ''
const coreTest = /^[|]|[/%]/.test(corePattern)
  ? (title: string) => notRun(title, `the system writes core dumps as "${corePattern}", not to the working directory`)
  : linuxTest

coreTest('it is absent from a core dump', async (t) => {
  // Each secret is made of two halves, so that the text of the program does not hold it.
  const program = (options: string, directory: string): string => `
    process.chdir(${JSON.stringify(directory)})
    const { malloc } = require(${JSON.stringify(ROOT)})
    const half = 'c0rE'.repeat(4)
    const halves = [malloc(16, 1, half, ${options}), malloc(16, 1, half, ${options})]
    const block = malloc(100_000, 1, 'zero', ${options})
    for (let at = 0; at < 100_000; at += 32) {
      block.bytes[at] = 0x73
      for (let i = 1; i < 32; i++) block.bytes[at + i] = (i * 37 + 11) & 255
    }
    process.abort()
  `
  const secret = Buffer.from(Array.from({ length: 32 }, (_, i) => (i === 0 ? 0x73 : (i * 37 + 11) & 255)))
  const found: boolean[] = []
  for (const options of ['undefined', '{ secure: true }']) {
    const directory = mkdtempSync(join(tmpdir(), 'cmalloc-core-'))
    try {
      // oxlint-disable-next-line no-await-in-loop -- each writes a large file
      const { signal } = await runSource(program(options, directory), { prefix: ['prlimit', '--core=unlimited'] })
      t.is(signal, 'SIGABRT')
      const [name] = readdirSync(directory)
      t.truthy(name, 'a core dump was written')
      found.push(readFileSync(join(directory, name!)).includes(secret))
    } finally {
      rmSync(directory, { recursive: true })
    }
  }
  t.deepEqual(found, [true, false])
})
