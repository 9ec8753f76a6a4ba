// Each step waits for what the collector, or a timer, does about the one before.
// oxlint-disable no-await-in-loop
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import test from 'ava'
import { consume, getBufferAddress, handOver, malloc, mallocAsync, setMemoryLimit, stats, takeOver } from 'cmalloc'
import { Pool, type PoolOptions } from 'cmalloc/pool'
import { ON } from './support/debug-mode.js'
import * as libc from './support/libc.js'
import { collectUntil, escape, linuxTest, live, MiB, untilNothingIsInUse } from './support/memory.js'
import { inTurn, nameOf, RUNTIMES, runFixture, runSource, scenariosOf } from './support/run.js'
import { LARGEST_ALIGNMENT } from './support/system.js'

const CLEAN = { code: 0, signal: null, stdout: 'done\n', stderr: '' }

let before = live()
const pools: Pool[] = []

/** A pool that is closed as its test ends. */
function create(options: Partial<PoolOptions> = {}): Pool {
  const pool = new Pool({ retainBytes: 64 * MiB, ...options })
  pools.push(pool)
  return pool
}

const retained = (pool: Pool): number[] => [pool.stats().retainedBlocks, pool.stats().retainedBytes]

test.serial.beforeEach(async () => {
  // What a failed test left behind must not change the counts of the next one as it is collected.
  await collectUntil(() => stats().liveBlocks === 0)
  await untilNothingIsInUse()
  before = live()
})
test.serial.afterEach('everything is given back', (t) => {
  for (const pool of pools.splice(0)) {
    pool[Symbol.dispose]()
    t.deepEqual(retained(pool), [0, 0])
  }
  t.deepEqual(live(), before)
})
test.serial.afterEach.always('no limit is left behind', () => {
  setMemoryLimit(null)
  for (const pool of pools.splice(0)) pool[Symbol.dispose]()
})

// Hits

test.serial('the second block is the first one, resident as it was', (t) => {
  const pool = create()
  const first = pool.malloc(8 * MiB, 1, 7)
  const { address } = first
  first.free()
  t.true(first.freed)
  t.deepEqual(retained(pool), [1, 8 * MiB])
  t.is(stats().liveBytes, 8 * MiB)
  t.is(stats().liveBlocks, 0)

  const second = pool.malloc(8 * MiB)
  t.is(second.address, address)
  if (process.platform !== 'freebsd') t.is(second.residentBytes(), 8 * MiB)
  t.true(Buffer.alloc(8 * MiB, 7).equals(second.bytes), 'nobody asked for other contents')
  t.deepEqual(pool.stats(), { hits: 1, misses: 1, retainedBlocks: 0, retainedBytes: 0 })
  second.free()
})

for (const [name, end] of Object.entries<(pool: Pool, block: ReturnType<Pool['malloc']>) => void>({
  'free()': (_, block) => block.free(),
  'free() of the pool': (pool, block) => pool.free(block),
  'the end of a scope': (_, block) => block[Symbol.dispose](),
  'its last pin': (_, block) => {
    const pin = block.pin()
    block[Symbol.dispose]()
    pin.unpin()
  },
})) {
  test.serial(`a block comes back by ${name}, viewed or not, once`, (t) => {
    const pool = create()
    for (const view of [false, true]) {
      const block = pool.malloc(10, 1000)
      const { address } = block
      const bytes = view ? block.bytes : new Uint8Array()
      end(pool, block)
      t.is(bytes.length, 0)
      t.is(pool.stats().retainedBlocks, 1)
      t.throws(() => block.free(), { code: 'ERR_CMALLOC_FREED' })
      t.throws(() => pool.free(block), { code: 'ERR_CMALLOC_FREED' })
      const again = pool.malloc(10_000)
      t.is(again.address, address)
      again.free()
    }
    t.is(pool.stats().hits, 3)
  })
}

test.serial('a block is as long as is asked for, and serves all lengths of its class', (t) => {
  const pool = create()
  const first = pool.malloc(70_000, 1, 1)
  const { address } = first
  first.free()
  for (const length of [65_537, 81_920, 70_001]) {
    const block = pool.malloc(length)
    t.deepEqual([block.address, block.byteLength], [address, length])
    t.deepEqual(
      [block.buffer.byteLength, block.bytes.length, block.view(DataView).byteLength],
      [length, length, length],
    )
    t.is(stats().liveBytes, length)
    t.throws(() => block.view(Uint8Array, 0, length + 1), { code: 'ERR_OUT_OF_RANGE' })
    block.free()
    t.deepEqual(retained(pool), [1, 81_920])
  }
  const shorter = pool.malloc(65_536)
  t.not(shorter.address, address)
  shorter.free()
})

test.serial('a hit is filled as malloc fills', (t) => {
  for (const scrub of [false, true]) {
    const pool = create({ scrub })
    pool.malloc(4096, 1, 0xee).free()
    for (const [init, expected] of [
      [5, Buffer.alloc(4096, 5)],
      ['zero', Buffer.alloc(4096)],
      ['AB', Buffer.alloc(4096, 'AB')],
      [0, Buffer.alloc(4096)],
      [Buffer.from('xyz'), Buffer.alloc(4096, 'xyz')],
    ] as const) {
      const block = pool.malloc(4096, 1, init)
      t.true(expected.equals(block.bytes), String(init))
      block.free()
    }
    t.is(pool.stats().hits, 5)
  }
})

test.serial('arguments are checked as malloc does, before a block is taken', (t) => {
  const pool = create()
  pool.malloc(4096).free()
  for (const [call, code] of [
    [() => pool.malloc(0), 'ERR_OUT_OF_RANGE'],
    [() => pool.malloc(1.5), 'ERR_OUT_OF_RANGE'],
    [() => pool.malloc('1' as never), 'ERR_INVALID_ARG_TYPE'],
    [() => pool.malloc(4096, 1, 256), 'ERR_OUT_OF_RANGE'],
    [() => pool.malloc(4096, 1, ''), 'ERR_INVALID_ARG_VALUE'],
    [() => pool.malloc(4096, 1, null as never), 'ERR_INVALID_ARG_TYPE'],
    [() => pool.malloc(2 ** 52), 'ERR_CMALLOC_OUT_OF_MEMORY'],
    [() => pool.trim(-1), 'ERR_OUT_OF_RANGE'],
    [() => pool.trim(0.5), 'ERR_OUT_OF_RANGE'],
    [() => pool.trim('1' as never), 'ERR_INVALID_ARG_TYPE'],
    [() => pool.free({} as never), 'ERR_INVALID_ARG_TYPE'],
    [() => pool.getBufferAddress({} as never), 'ERR_INVALID_ARG_TYPE'],
  ] as const) {
    t.throws(call, { code }, call.toString())
  }
  const block = pool.malloc(4096)
  t.is(pool.getBufferAddress(block), getBufferAddress(block))
  block.free()
})

test.serial('options that make no sense are refused', (t) => {
  for (const [options, code] of [
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [{ retainBytes: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ retainBytes: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ retainBytes: 1, classes: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ retainBytes: 1, classes: [] }, 'ERR_INVALID_ARG_VALUE'],
    [{ retainBytes: 1, classes: [1, -1] }, 'ERR_OUT_OF_RANGE'],
    [{ retainBytes: 1, classes: [1, undefined] }, 'ERR_INVALID_ARG_TYPE'],
    [{ retainBytes: 1, scrub: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ retainBytes: 1, idleMilliseconds: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ retainBytes: 1, idleMilliseconds: 2 ** 31 }, 'ERR_OUT_OF_RANGE'],
    [{ retainBytes: 1, idleMilliseconds: '1' }, 'ERR_INVALID_ARG_TYPE'],
  ] as const) {
    t.throws(() => new Pool(options as never), { code }, JSON.stringify(options))
  }
})

// Bounds

test.serial('no more is retained than was allowed, and what has been there for longest goes first', (t) => {
  const pool = create({ retainBytes: 3 * MiB })
  const blocks = [1, 2, 3, 4].map((byte) => pool.malloc(MiB, 1, byte))
  const addresses = blocks.map((block) => block.address)
  for (const block of blocks) block.free()
  t.deepEqual(retained(pool), [3, 3 * MiB])
  const again = [0, 1, 2].map(() => pool.malloc(MiB))
  t.deepEqual(
    again.map((block) => block.address),
    addresses.slice(1).toReversed(),
  )
  for (const block of again) block.free()
  pool.malloc(2.5 * MiB).free()
  t.deepEqual(retained(pool), [1, 2.5 * MiB])
  pool.malloc(3 * MiB + 1).free()
  t.deepEqual(retained(pool), [1, 2.5 * MiB], 'what is too long drives nothing out')
})

test.serial('classes of ones own', (t) => {
  const pool = create({ classes: [100_000, 1000] })
  pool.malloc(1).free()
  t.deepEqual(retained(pool), [1, 1000])
  pool.malloc(1001).free()
  t.deepEqual(retained(pool), [2, 101_000])
  pool.malloc(100_001).free()
  t.deepEqual(pool.stats(), { hits: 0, misses: 3, retainedBlocks: 2, retainedBytes: 101_000 })
})

test.serial('trim frees down to what is given', (t) => {
  const pool = create()
  const blocks = [1, 2, 4].map((count) => pool.malloc(count * MiB))
  for (const block of blocks) block.free()
  t.deepEqual([pool.trim(8 * MiB), pool.trim(6 * MiB), retained(pool)], [0, MiB, [2, 6 * MiB]])
  t.is(stats().liveBytes, 6 * MiB)
  t.deepEqual([pool.trim(), pool.trim(), retained(pool)], [6 * MiB, 0, [0, 0]])
  t.is(stats().liveBytes, 0)
})

test.serial('what idles is released, and what is used is not', async (t) => {
  const pool = create({ idleMilliseconds: 200 })
  const used = pool.malloc(MiB)
  for (const block of [pool.malloc(4 * MiB), pool.malloc(2 * MiB)]) block.free()
  t.deepEqual(retained(pool), [2, 6 * MiB])
  for (let round = 0; round < 8; round++) {
    await wait(50)
    pool.malloc(2 * MiB).free()
  }
  t.deepEqual(retained(pool), [1, 2 * MiB])
  for (let round = 0; round < 100 && pool.stats().retainedBlocks > 0; round++) await wait(20)
  t.deepEqual(retained(pool), [0, 0])
  used.free()
  t.deepEqual(retained(pool), [1, MiB], 'it was alive, and comes back')
  for (let round = 0; round < 100 && pool.stats().retainedBlocks > 0; round++) await wait(20)
  t.deepEqual(retained(pool), [0, 0])
  pool.malloc(MiB).free()
  for (let round = 0; round < 100 && pool.stats().retainedBlocks > 0; round++) await wait(20)
  t.deepEqual(retained(pool), [0, 0], 'and again')
})

// Scrubbing

/** What is in memory that a pool holds: its own test may look. */
const zeros = (address: bigint, length: number): boolean => libc.read(address, length).every((byte) => byte === 0)

test.serial('with scrub nobody sees what a block held', (t) => {
  const pool = create({ scrub: true })
  const block = pool.malloc(70_000, 1, 'secret')
  const { address } = block
  // C code may use what C says that a block has.
  libc.memset(address + 70_000n, 0x41, 81_920 - 70_000)
  block.free()
  t.true(zeros(address, 81_920), 'as it lies there, the part that nobody was given too')
  const next = pool.malloc(80_000)
  t.is(next.address, address)
  t.true(next.bytes.every((byte) => byte === 0))
  next.free()

  const control = create()
  const seen = control.malloc(70_000, 1, 'secret')
  seen.free()
  const again = control.malloc(70_000)
  t.is(Buffer.from(again.buffer).toString('latin1', 0, 6), 'secret', 'without, the next user sees it')
  again.free()
})

for (const [name, length] of [
  ['shrinks', 30_000],
  ['grows', 200_000],
  ['grows within its class', 80_000],
] as const) {
  test.serial(`with scrub nothing is left behind where a block was that ${name} by a resize`, (t) => {
    const pool = create({ scrub: true })
    const block = pool.malloc(70_000, 1, 'secret')
    const { address } = block
    block.resize(length, '!')
    const expected = Buffer.concat([Buffer.alloc(70_000, 'secret'), Buffer.alloc(200_000, '!')]).subarray(0, length)
    t.true(expected.equals(block.bytes))
    t.is(stats().liveBlocks, 1)
    const old = pool.malloc(81_920)
    t.is(old.address, address)
    t.true(zeros(address, 81_920))
    old.free()
    block.free()
    t.is(pool.stats().retainedBlocks, 2)
  })
}

test.serial('with scrub a refused resize changes nothing', (t) => {
  const pool = create({ scrub: true })
  const block = pool.malloc(1000, 1, 'x')
  const { address, bytes } = block
  t.throws(() => block.resize(2 ** 52), { code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
  t.deepEqual([block.address, block.byteLength, bytes.length], [address, 1000, 1000])
  t.true(bytes.every((byte) => byte === 120))
  block.free()
})

test.serial('with scrub what is moved out of an ArrayBuffer is zeroed when that is gone', async (t) => {
  const pool = create({ scrub: true })
  const block = pool.malloc(70_000, 1, 'secret')
  const { address } = block
  let moved: ArrayBuffer | undefined = await escape(block)
  block.resize(80_000)
  t.not(block.address, address)
  t.is(Buffer.from(moved).toString('latin1', 0, 6), 'secret')
  t.is(Buffer.from(block.buffer).toString('latin1', 0, 6), 'secret')
  block.free()
  t.is(pool.stats().retainedBlocks, 1)
  moved = undefined
  await collectUntil(() => pool.stats().retainedBlocks === 2)
  t.true(zeros(address, 81_920))
})

// Limits

test.serial('what is retained counts against the limit, and is given up before anything is refused', async (t) => {
  const pool = create()
  const other = create()
  const small = malloc(1000)
  const foreign = { address: libc.malloc(1000) }
  setMemoryLimit(10 * MiB)
  const asks: Record<string, () => { free(): void } | Promise<{ free(): void }>> = {
    malloc: () => malloc(9 * MiB),
    'malloc of a pool': () => other.malloc(9 * MiB),
    resize: () => small.slice(0, 10).resize(9 * MiB),
    'consume of a handle': () => consume(small.slice(0, 10), 9 * MiB),
    'consume of an address': () => consume(foreign, 9 * MiB),
    mallocAsync: () => mallocAsync(9 * MiB),
  }
  for (const [name, ask] of Object.entries(asks)) {
    pool.malloc(5 * MiB, 1, 1).free()
    t.is(stats().liveBytes, 5 * MiB + 1000, name)
    const block = await ask()
    t.deepEqual(retained(pool), [0, 0], name)
    block.free()
    other.trim()
  }
  t.throws(() => malloc(10 * MiB), { code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
  small.free()
})

test.serial('a block for which the limit has no room is given what was asked for, or freed as it comes back', (t) => {
  const pool = create()
  setMemoryLimit(70_000)
  const exact = pool.malloc(70_000)
  t.is(exact.byteLength, 70_000)
  t.throws(() => malloc(1), { code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
  exact.free()
  t.deepEqual(retained(pool), [0, 0])
  setMemoryLimit(null)
  const block = pool.malloc(70_000)
  setMemoryLimit(stats().liveBytes)
  block.free()
  t.deepEqual([retained(pool), stats().liveBytes], [[0, 0], 0])
})

test.serial('the limit is never passed by what comes back', (t) => {
  const pool = create()
  const blocks = Array.from({ length: 10 }, () => pool.malloc(70_000))
  const limit = stats().liveBytes + 15_000
  setMemoryLimit(limit)
  for (const block of blocks) {
    block.free()
    t.true(stats().liveBytes <= limit)
  }
  const { retainedBlocks } = pool.stats()
  t.true(retainedBlocks > 5 && retainedBlocks < 10, `${retainedBlocks} blocks`)
})

// Ways out

test.serial('a block that is released is C’s', (t) => {
  const pool = create()
  const block = pool.malloc(70_000, 1, 9)
  const address = block.release()
  t.deepEqual(retained(pool), [0, 0])
  t.true(libc.read(address, 70_000).every((byte) => byte === 9))
  libc.free(address)
})

test.serial('a block that is consumed or handed over has left its pool', (t) => {
  const pool = create()
  for (const move of [
    () => consume(pool.malloc(70_000, 1, 9), 70_000),
    () => consume(pool.malloc(70_000, 1, 9), 75_000),
    () => takeOver(handOver(pool.malloc(70_000, 1, 9))),
  ]) {
    const block = move()
    t.is(block.bytes[69_999], 9)
    block.free()
    t.deepEqual(retained(pool), [0, 0])
  }
})

test.serial('a block stays in its pool by resize', (t) => {
  const pool = create()
  const block = pool.malloc(70_000, 1, 9)
  block.resize(MiB)
  t.is(block.bytes[69_999], 9)
  const { address } = block
  block.free()
  t.deepEqual(retained(pool), [1, MiB])
  const again = pool.malloc(MiB)
  t.is(again.address, address)
  again.resize(100)
  t.is(again.byteLength, 100)
  again.free()
  t.is(pool.stats().retainedBytes % 112, 0, 'if C cut it, it is no longer one of a MiB')
})

test.serial('the address of a retained block cannot be consumed', (t) => {
  const pool = create()
  const block = pool.malloc(70_000)
  const { address } = block
  block.free()
  for (const at of [address, address + 16n, address + 81_904n]) {
    t.throws(() => consume({ address: at }, 10), { code: 'ERR_CMALLOC_ALREADY_OWNED' })
  }
  const again = pool.malloc(70_000)
  t.is(again.address, address)
  again.free()
})

test.serial('a block that has escaped comes back when nobody holds its bytes any more', async (t) => {
  const pool = create()
  for (const use of ['free', 'keep'] as const) {
    const block = pool.malloc(70_000, 1, 9)
    const { address } = block
    let moved: ArrayBuffer | undefined = await escape(block)
    if (use === 'free') {
      block.free()
    } else {
      t.throws(() => block.release(), { code: 'ERR_CMALLOC_ESCAPED' })
      t.throws(() => handOver(block), { code: 'ERR_CMALLOC_ESCAPED' })
      t.throws(() => consume(block, 10), { code: 'ERR_CMALLOC_ESCAPED' })
    }
    t.is(pool.stats().retainedBlocks, 0)
    const other = pool.malloc(70_000, 1, 1)
    t.not(other.address, address)
    t.true(new Uint8Array(moved).every((byte) => byte === 9))
    other.free()
    moved = undefined
    if (use === 'free') {
      await collectUntil(() => pool.stats().retainedBlocks === 2)
    } else {
      await collectUntil(() => {
        try {
          return block.buffer.byteLength > 0
        } catch {
          return false
        }
      })
      t.true(block.bytes.every((byte) => byte === 9))
      block.free()
    }
    t.is(pool.stats().retainedBlocks, 2)
    pool.trim()
  }
})

// Alignment

test.serial('the blocks of a pool are aligned as it was told, first and again, of all lengths and resized', (t) => {
  for (const align of [1, 64, 4096, 2 * MiB].filter((each) => each <= LARGEST_ALIGNMENT)) {
    const pool = create({ align, scrub: align === 64 })
    for (let round = 0; round < 3; round++) {
      const blocks = [1, 100, 4096, 5000, 70_000, 128 * MiB].map((length) => pool.malloc(length, 1, 'zero'))
      const [small] = blocks
      small!.resize(300_000)
      for (const block of blocks) t.is(block.address % BigInt(align), 0n, `${block.byteLength} to ${align}`)
      t.true(blocks[3]!.bytes.every((byte) => byte === 0))
      for (const block of blocks) block.fill(7).free()
    }
    const { hits, retainedBlocks } = pool.stats()
    t.true(hits >= 8 && retainedBlocks >= 4, `${hits} hits, ${retainedBlocks} blocks`)
  }
})

test.serial('a pool refuses an alignment as malloc does', (t) => {
  for (const align of [0, 3, -8, 1.5, 2 ** 33, Number.NaN])
    t.throws(() => create({ align }), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => create({ align: '8' as never }), { code: 'ERR_INVALID_ARG_TYPE' })
  if (LARGEST_ALIGNMENT < 2 ** 32) {
    t.throws(() => create({ align: 2 ** 32 }), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' })
  }
})

linuxTest('a file that is opened with O_DIRECT is read into the blocks of a pool', (t) => {
  const folder = mkdtempSync(join(__dirname, '..', 'direct-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'file')
  const contents = Buffer.alloc(16_384, 'direct')
  writeFileSync(path, contents)
  const pool = create({ align: 4096 })
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_DIRECT)
  } catch (error) {
    t.is((error as NodeJS.ErrnoException).code, 'EINVAL', 'a file system in memory may have no O_DIRECT')
    return
  }
  t.teardown(() => closeSync(file))
  for (const length of [4096, 8192, 16_384, 4096, 8192, 16_384]) {
    const block = pool.malloc(length)
    t.is(readSync(file, block.bytes, 0, length, 0), length)
    t.true(contents.subarray(0, length).equals(block.bytes))
    block.free()
  }
  t.is(pool.stats().hits, 3)
})

// The end of a pool

test.serial('a pool that is closed frees what it retains, and what comes later', (t) => {
  const pool = create()
  pool.malloc(MiB).free()
  const [block, viewed] = [pool.malloc(2 * MiB, 1, 5), pool.malloc(4 * MiB, 1, 6)]
  const { bytes } = viewed
  pool[Symbol.dispose]()
  t.is(stats().liveBytes, 6 * MiB)
  t.throws(() => pool.malloc(1), { code: 'ERR_CMALLOC_FREED', message: /this pool was disposed/ })
  t.true(bytes.every((byte) => byte === 6))
  t.true(
    block
      .resize(3 * MiB)
      .bytes.subarray(0, 2 * MiB)
      .every((byte) => byte === 5),
  )
  block.free()
  viewed.free()
  pool[Symbol.dispose]()
  t.is(pool.trim(), 0)
  t.deepEqual(pool.stats(), { hits: 0, misses: 3, retainedBlocks: 0, retainedBytes: 0 })
  t.is(stats().liveBytes, 0)
})

test.serial('a pool that is dropped is collected with what it retains', async (t) => {
  const blocks = (() => {
    const pool = new Pool({ retainBytes: 64 * MiB, idleMilliseconds: 1_000_000 })
    pool.malloc(MiB).free()
    return [pool.malloc(2 * MiB), pool.malloc(MiB, 1, 7)] as const
  })()
  t.is(stats().liveBytes, 3 * MiB)
  blocks[0].free()
  await collectUntil(() => stats().liveBytes === MiB)
  t.is(stats().liveBytes, MiB)
  t.true(blocks[1].bytes.every((byte) => byte === 7))
  blocks[1].free()
  t.is(stats().liveBytes, 0)
})

test.serial('the methods of a pool refuse foreign receivers', (t) => {
  for (const name of ['malloc', 'trim', 'stats'] as const) {
    t.throws(() => (Pool.prototype[name] as (argument: number) => unknown).call({} as never, 1), {
      instanceOf: TypeError,
    })
  }
})

// Processes

test('in the debug mode nothing is retained', async (t) => {
  const source = `
    const { Pool } = require('cmalloc/pool')
    const pool = new Pool({ retainBytes: 2 ** 30 })
    const block = pool.malloc(70000)
    block.free()
    const escaped = pool.malloc(100)
    const libc = require('koffi').load(process.platform === 'win32' ? 'ucrtbase.dll' : null)
    libc.func('void *memset(void *to, int byte, size_t count)')(escaped.address + 100n, 1, 1)
    let code
    try { escaped.free() } catch (error) { code = error.code }
    console.log(JSON.stringify([pool.stats(), require('cmalloc').stats().liveBytes, code]))`
  const { stdout, code } = await runSource(source, { env: ON })
  t.is(code, 0)
  const none = { hits: 0, misses: 2, retainedBlocks: 0, retainedBytes: 0 }
  t.deepEqual(JSON.parse(stdout), [none, 0, 'ERR_CMALLOC_CORRUPTED'])
})

test('a timer for idle blocks does not keep the process alive', async (t) => {
  const source = `
    const { Pool } = require('cmalloc/pool')
    globalThis.pool = new Pool({ retainBytes: 2 ** 20, idleMilliseconds: 2 ** 31 - 1 })
    pool.malloc(1000).free()`
  const { code, signal } = await runSource(source, { timeout: 30_000 })
  t.deepEqual({ code, signal }, { code: 0, signal: null })
})

linuxTest('memory is bounded as blocks of all lengths come and go', async (t) => {
  const outcome = await runFixture('pool-churn.js')
  t.like(outcome, { code: 0, signal: null, stderr: '' })
  const { peak, bound } = JSON.parse(outcome.stdout) as { peak: number; bound: number }
  t.log(`${Math.round(peak / MiB)} MiB of ${Math.round(bound / MiB)} MiB`)
  t.true(peak < bound)
})

/** Deno collects no garbage for what it is told of memory, and does not end a thread that loops without an end. */
const NOT_ON_DENO = new Set([
  'a synchronous loop that drops handles gets them again',
  'what a collection brings back is given up for a request that needs it',
  'a thread that ends leaves nothing of its pool: terminate in a loop',
])

for (const fixture of ['pool-blocks.js', 'pool-workers.js']) {
  for (const [index, scenario] of scenariosOf(fixture).entries()) {
    for (const node of inTurn(index, RUNTIMES).filter((each) => each !== 'deno' || !NOT_ON_DENO.has(scenario))) {
      test.serial(`${scenario}, on ${nameOf(node)}`, async (t) => {
        t.deepEqual(await runFixture(fixture, [scenario], { node, flags: ['--expose-gc'] }), CLEAN)
      })
    }
  }
}
