import { once } from 'node:events'
import { resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { consume, malloc, NativeBuffer, setMemoryLimit, stats, type AddressRef, type ErrorCode } from 'cmalloc'
import * as libc from './support/libc.js'
import { collectUntil, escape, everythingIsGivenBack, linuxTest, MiB } from './support/memory.js'
import { ROOT, runFixture } from './support/run.js'

const TYPESCRIPT = { flags: ['--import=tsx', '--expose-gc'] }

const before = everythingIsGivenBack()

/** A block of the C library with the bytes 0, 1, 2, … in it. */
function foreign(size: number): bigint {
  const address = libc.malloc(size)
  libc.memcpy(address, counting(size), size)
  return address
}

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, index) => index)

function counting(size: number): Buffer {
  return Buffer.alloc(size, EVERY_BYTE)
}

/** Asserts that a call is refused, and that the block is still what `foreign` made. Then C frees it. */
function refuses(
  t: ExecutionContext,
  block: { address: bigint; size: number },
  call: () => unknown,
  expected: { code: ErrorCode; instanceOf?: ErrorConstructor | TypeErrorConstructor | RangeErrorConstructor },
  message?: string,
): void {
  const counts = stats()
  t.throws(call, { instanceOf: Error, ...expected }, message)
  t.deepEqual(libc.read(block.address, block.size), counting(block.size), message)
  t.is(stats().allocations, counts.allocations, message)
  libc.memset(block.address, 1, block.size)
  libc.free(block.address)
}

const numberOrBigint = { bigint: (address: bigint) => address, number: Number } as const

for (const [type, convert] of Object.entries(numberOrBigint)) {
  test.serial(`a block of malloc is taken over by its address as a ${type}, which becomes zero`, (t) => {
    const source: AddressRef = { address: convert(foreign(100)) }
    const handle = consume(source, 100)
    t.is(source.address, convert(0n))
    t.is(handle.byteLength, 100)
    t.deepEqual(Buffer.from(handle.bytes), counting(100))
    handle.fill('x')
    t.is(libc.read(handle.address, 100).toString(), 'x'.repeat(100))
    handle.free()
  })
}

test.serial('a consumed block that keeps its length stays where it is, as far as realloc leaves it there', (t) => {
  const address = foreign(100)
  const handle = consume({ address }, 100)
  t.is(handle.address === address, libc.reallocKeeps())
  handle.free()
})

for (const [from, to] of [
  [1, 1],
  [1, 2 * MiB],
  [100, 1],
  [100, 100_000],
  [5000, 4999],
  [48 * MiB, 48 * MiB],
  [48 * MiB, 64 * MiB],
  [48 * MiB, 10],
] as const) {
  test.serial(`a block of ${from} bytes is consumed as one of ${to}: contents kept, resident`, (t) => {
    const handle = consume({ address: foreign(from) }, to)
    const kept = Math.min(from, to)
    t.is(handle.byteLength, to)
    t.true(libc.usableSize(handle.address) >= to)
    t.true(Buffer.from(handle.buffer, 0, kept).equals(counting(kept)))
    t.is(stats().liveBytes, before.liveBytes + to)
    t.is(handle.residentBytes(), to)
    // To the last byte: it is all ours.
    handle.fill(7)
    t.is(handle.bytes.at(-1), 7)
    handle.free()
  })
}

test.serial('consume and release are opposites: the block is C memory before and after', (t) => {
  const handle = consume({ address: foreign(300) }, 200)
  const { bytes } = handle
  const address = handle.release()
  t.true(handle.freed)
  t.is(bytes.byteLength, 0)
  t.deepEqual(libc.read(address, 200), counting(200))
  const again = consume({ address }, 250)
  t.deepEqual(Buffer.from(again.bytes.subarray(0, 200)), counting(200))
  libc.free(again.release())
})

test.serial('C reads and writes a consumed block through its address', (t) => {
  const handle = consume({ address: libc.malloc(20) }, 20)
  handle.fill('zero').fill('cmalloc', 0, 7)
  t.is(libc.strlen(handle.address), 7)
  libc.memset(handle.address, 65, 3)
  t.is(Buffer.from(handle.bytes.subarray(0, 8)).toString(), 'AAAlloc\0')
  handle.free()
})

test.serial('a block of calloc is consumed', (t) => {
  const handle = consume({ address: libc.calloc(100, 8) }, 800)
  t.true(handle.bytes.every((byte) => byte === 0))
  handle.free()
})

for (const alignment of process.platform === 'win32' ? [] : [16, 64, 4096, 2 * MiB]) {
  test.serial(`a block of posix_memalign(${alignment}) is consumed, and grows and shrinks`, (t) => {
    for (const length of [1000, 100_000, 10]) {
      const address = libc.posixMemalign(alignment, 1000)
      libc.memset(address, 9, 1000)
      const handle = consume({ address }, length)
      t.true(handle.bytes.subarray(0, 1000).every((byte) => byte === 9))
      handle.free()
    }
  })
}

test.serial('a thousand blocks are consumed and freed in another order', (t) => {
  const addresses = Array.from({ length: 1000 }, (_, index) => foreign(index + 1))
  const handles = addresses.map((address, index) => consume({ address }, 1000 - index))
  t.is(stats().liveBlocks, before.liveBlocks + 1000)
  for (const [index, handle] of [...handles.entries()].toReversed()) {
    const kept = Math.min(index + 1, 1000 - index)
    t.deepEqual(Buffer.from(handle.bytes.subarray(0, kept)), counting(kept))
    handle.free()
  }
})

test.serial('a source may be a function, an instance or an accessor: all that it needs is a writable address', (t) => {
  class Holder {
    #address = foreign(10)
    get address(): bigint {
      return this.#address
    }
    set address(value: bigint) {
      this.#address = value
    }
  }
  const sources = [
    Object.assign(() => {}, { address: foreign(10) }),
    Object.assign(Object.create(null) as object, { address: foreign(10) }),
    new Holder(),
    new Proxy({ address: foreign(10) }, {}),
  ]
  for (const source of sources) {
    const handle = consume(source, 10)
    t.is(source.address, 0n)
    t.deepEqual(Buffer.from(handle.bytes), counting(10))
    handle.free()
  }
})

test.serial('the address is read once, and it is that one which is taken', (t) => {
  const [first, second] = [foreign(10), foreign(10)]
  libc.memset(second, 255, 10)
  const reads: bigint[] = []
  let zeroed = false
  const source = {
    get address(): bigint {
      const address = zeroed ? 0n : reads.length === 0 ? first : second
      reads.push(address)
      return address
    },
    set address(value: bigint) {
      zeroed = value === 0n
    },
  }
  const handle = consume(source, 10)
  t.deepEqual(Buffer.from(handle.bytes), counting(10))
  // Once for the address, once to see that it is zero.
  t.deepEqual(reads, [first, 0n])
  handle.free()
  libc.free(second)
})

// A NativeBuffer as source

for (const [from, to] of [
  [100, 100],
  [100, 1],
  [100, 300_000],
  [40 * MiB, 40 * MiB],
  [40 * MiB, 60 * MiB],
  [40 * MiB, 3],
] as const) {
  test.serial(`a handle of ${from} bytes is moved to one of ${to}`, (t) => {
    const source = malloc(from, 1, 'AB')
    const { address, buffer, bytes } = source
    const handle = consume(source, to)
    t.true(source.freed)
    t.is(source.byteLength, 0)
    t.is(bytes.byteLength, 0)
    t.is(buffer.byteLength, 0)
    t.throws(() => source.free(), { code: 'ERR_CMALLOC_FREED' })
    t.throws(() => source.address, { code: 'ERR_CMALLOC_FREED' })
    t.not(handle, source)
    t.is(handle.byteLength, to)
    t.is(handle.residentBytes(), to)
    if (from === to) t.is(handle.address, address)
    const kept = Math.min(from, to)
    t.true(Buffer.from(handle.buffer, 0, kept).equals(Buffer.alloc(kept, 'AB')))
    t.is(stats().liveBlocks, before.liveBlocks + 1)
    t.is(stats().liveBytes, before.liveBytes + to)
    handle.free()
  })
}

test.serial('a moved handle was allocated once and is freed once', (t) => {
  const counts = stats()
  const handle = consume(consume(malloc(10), 20), 5)
  t.is(stats().allocations, counts.allocations + 1)
  handle.free()
  t.is(stats().explicitFrees, counts.explicitFrees + 1)
})

test.serial('a frozen handle is moved: its address is no property that has to be written', (t) => {
  const handle = consume(Object.freeze(malloc(10, 1, 'x')), 10)
  t.is(Buffer.from(handle.bytes).toString(), 'xxxxxxxxxx')
  handle.free()
})

// Refusals

const BAD_LENGTHS = [
  [0, 'ERR_OUT_OF_RANGE'],
  [-1, 'ERR_OUT_OF_RANGE'],
  [1.5, 'ERR_OUT_OF_RANGE'],
  [NaN, 'ERR_OUT_OF_RANGE'],
  [Infinity, 'ERR_OUT_OF_RANGE'],
  [2 ** 53, 'ERR_OUT_OF_RANGE'],
  ['8', 'ERR_INVALID_ARG_TYPE'],
  [undefined, 'ERR_INVALID_ARG_TYPE'],
  [null, 'ERR_INVALID_ARG_TYPE'],
  [8n, 'ERR_INVALID_ARG_TYPE'],
  [{ valueOf: () => 8 }, 'ERR_INVALID_ARG_TYPE'],
] as const

const classOf = (code: string) => (code === 'ERR_OUT_OF_RANGE' ? RangeError : TypeError)

test.serial('a bad length is refused, and the source is as it was', (t) => {
  for (const [length, code] of BAD_LENGTHS) {
    const address = foreign(8)
    const source = { address }
    const expected = { code, instanceOf: classOf(code) }
    refuses(t, { address, size: 8 }, () => consume(source, length as number), expected, String(length))
    t.is(source.address, address)
    const handle = malloc(8, 1, 'h')
    const { bytes } = handle
    t.throws(() => consume(handle, length as number), expected)
    t.is(handle.bytes, bytes)
    t.is(Buffer.from(bytes).toString(), 'hhhhhhhh')
    handle.free()
  }
})

test.serial('a source that holds no address is refused', (t) => {
  for (const source of [undefined, null, 5, 'x', 8n, true, Symbol('s'), {}, [], () => {}, { adress: 8n }]) {
    t.throws(() => consume(source as AddressRef, 8), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
  }
})

const BAD_ADDRESSES = [
  [0, 'ERR_OUT_OF_RANGE'],
  [-0, 'ERR_OUT_OF_RANGE'],
  [0n, 'ERR_OUT_OF_RANGE'],
  [-1n, 'ERR_OUT_OF_RANGE'],
  [-(2n ** 63n), 'ERR_OUT_OF_RANGE'],
  [2n ** 64n, 'ERR_OUT_OF_RANGE'],
  [2n ** 64n + 4096n, 'ERR_OUT_OF_RANGE'],
  [1.5, 'ERR_OUT_OF_RANGE'],
  [NaN, 'ERR_OUT_OF_RANGE'],
  [Infinity, 'ERR_OUT_OF_RANGE'],
  [-8, 'ERR_OUT_OF_RANGE'],
  [2 ** 53 + 8, 'ERR_OUT_OF_RANGE'],
  ['0x10', 'ERR_INVALID_ARG_TYPE'],
  [null, 'ERR_INVALID_ARG_TYPE'],
  [{ valueOf: () => 8 }, 'ERR_INVALID_ARG_TYPE'],
] as const

test.serial('an address that can be none is refused, and stays in the source', (t) => {
  for (const [address, code] of BAD_ADDRESSES) {
    const source = { address } as AddressRef
    t.throws(() => consume(source, 8), { instanceOf: classOf(code), code }, String(address))
    t.is(source.address, address as bigint)
  }
})

test.serial('an address that malloc cannot have returned is refused, as it is misaligned', (t) => {
  for (const offset of [1n, 2n, 3n, 4n, 7n]) {
    const address = foreign(64)
    const source = { address: address + offset }
    const expected = { code: 'ERR_INVALID_ARG_VALUE', instanceOf: TypeError } as const
    refuses(t, { address, size: 64 }, () => consume(source, 8), expected)
    t.is(source.address, address + offset)
  }
})

type MakeSource = (address: bigint) => { source: AddressRef }

/** A source that answers with `address` until something else is stored by `set`. */
function accessor(address: bigint, set: ((value: unknown, store: (value: unknown) => void) => void) | undefined) {
  let held: unknown = address
  const store = (value: unknown): void => {
    held = value
  }
  const write = set && { set: (value: unknown) => set(value, store) }
  const source = Object.defineProperty({}, 'address', { get: () => held, ...write }) as AddressRef
  return { source }
}

const UNWRITABLE: Record<string, MakeSource> = {
  'a frozen object': (address) => ({ source: Object.freeze({ address }) }),
  'a property that is not writable': (address) => ({
    source: Object.defineProperty({ address }, 'address', { writable: false }),
  }),
  'an address that is inherited from a frozen prototype': (address) => ({
    source: Object.create(Object.freeze({ address })) as AddressRef,
  }),
  'a getter without a setter': (address) => accessor(address, undefined),
  'a setter that ignores': (address) => accessor(address, () => {}),
  'a setter that throws': (address) =>
    accessor(address, () => {
      throw new Error('no')
    }),
  'a setter that stores first and throws then': (address) =>
    accessor(address, (value, store) => {
      store(value)
      throw new Error('no')
    }),
  'a setter that stores something else': (address) =>
    accessor(address, (value, store) => store(value === 0n ? 1n : value)),
  'a setter that stores a zero of the other type': (address) =>
    accessor(address, (value, store) => store(value === 0n ? 0 : value)),
  'a Proxy that refuses to be written': (address) => ({ source: new Proxy({ address }, { set: () => false }) }),
  'a Proxy that claims to have been written': (address) => ({ source: new Proxy({ address }, { set: () => true }) }),
  'a Proxy whose traps throw': (address) => ({
    source: new Proxy(
      { address },
      {
        set() {
          throw new Error('no')
        },
      },
    ),
  }),
}

for (const [name, make] of Object.entries(UNWRITABLE)) {
  test.serial(`${name} is refused as source, and keeps its address`, (t) => {
    const address = foreign(32)
    const { source } = make(address)
    const expected = { code: 'ERR_INVALID_ARG_VALUE', instanceOf: TypeError } as const
    refuses(t, { address, size: 32 }, () => consume(source, 64), expected)
    t.is(source.address, address)
  })
}

test.serial('a getter that answers with another address each time is refused, and none of them is taken', (t) => {
  const blocks = [foreign(16), foreign(16), foreign(16)]
  let reads = 0
  const source = {
    get address(): bigint {
      return blocks[reads++ % blocks.length]!
    },
    set address(_: bigint) {},
  }
  t.throws(() => consume(source, 16), { code: 'ERR_INVALID_ARG_VALUE' })
  t.is(reads, 2)
  for (const block of blocks) {
    t.deepEqual(libc.read(block, 16), counting(16))
    libc.free(block)
  }
})

test.serial('what a getter throws comes through, and nothing is taken', (t) => {
  const source = {
    get address(): bigint {
      throw new Error('mine')
    },
  }
  t.throws(() => consume(source as AddressRef, 16), { message: 'mine' })
})

test.serial('what only looks like a handle is not moved', (t) => {
  const handle = malloc(16, 1, 'h')
  for (const source of [new Proxy(handle, {}), Object.create(handle), Object.create(NativeBuffer.prototype)]) {
    t.throws(() => consume(source as NativeBuffer, 16), { instanceOf: TypeError })
  }
  t.is(Buffer.from(handle.bytes).toString(), 'h'.repeat(16))
  handle.free()
})

// Who owns it

test.serial('an address inside a block that a handle owns is refused', (t) => {
  const handle = malloc(4096, 1, 'h')
  for (const offset of [0n, 8n, 16n, 2048n, 4088n]) {
    const source = { address: handle.address + offset }
    t.throws(() => consume(source, 8), { instanceOf: Error, code: 'ERR_CMALLOC_ALREADY_OWNED' }, String(offset))
    t.is(source.address, handle.address + offset)
  }
  t.throws(() => consume({ address: Number(handle.address) }, 8), { code: 'ERR_CMALLOC_ALREADY_OWNED' })
  t.true(handle.bytes.every((byte) => byte === 104))
  handle.free()
})

test.serial('a viewed block and a consumed block are owned like any other', (t) => {
  const viewed = malloc(64)
  t.is(viewed.bytes.length, 64)
  const consumed = consume({ address: foreign(64) }, 128)
  for (const { address } of [viewed, consumed]) {
    t.throws(() => consume({ address }, 8), { code: 'ERR_CMALLOC_ALREADY_OWNED' })
    t.throws(() => consume({ address: address + 16n }, 8), { code: 'ERR_CMALLOC_ALREADY_OWNED' })
  }
  viewed.free()
  consumed.free()
})

test.serial('a released block is owned by nobody', (t) => {
  const address = malloc(64, 1, 'r').release()
  const handle = consume({ address }, 64)
  t.is(Buffer.from(handle.bytes).toString(), 'r'.repeat(64))
  handle.free()
})

test.serial('an address inside a block of a worker thread is refused', async (t) => {
  const worker = new Worker(resolve(ROOT, '__test__/fixtures/consume-worker.js'), { execArgv: [] })
  const [address] = (await once(worker, 'message')) as [bigint]
  for (const offset of [0n, 8n, 992n]) {
    const source = { address: address + offset }
    t.throws(() => consume(source, 8), { code: 'ERR_CMALLOC_ALREADY_OWNED' })
    t.is(source.address, address + offset)
  }
  t.is(libc.read(address, 1000).toString(), 'w'.repeat(1000))
  worker.postMessage('free')
  const [code] = (await once(worker, 'exit')) as [number]
  t.is(code, 0)
})

test.serial('an escaped block cannot be consumed, neither by its handle nor by its address', async (t) => {
  const handle = malloc(4096, 1, 'e')
  const { address } = handle
  let moved: ArrayBuffer | undefined = await escape(handle)
  t.throws(() => consume(handle, 8), { instanceOf: Error, code: 'ERR_CMALLOC_ESCAPED' })
  t.false(handle.freed)
  t.throws(() => consume({ address }, 8), { code: 'ERR_CMALLOC_ALREADY_OWNED' })
  handle.free()
  t.throws(() => consume({ address: address + 8n }, 8), { code: 'ERR_CMALLOC_ALREADY_OWNED' })
  t.is(Buffer.from(moved).toString(), 'e'.repeat(4096))
  moved = undefined
  await collectUntil(() => stats().awaitingFinalizerBytes === 0)
})

test.serial('a handle whose block is gone cannot be consumed', (t) => {
  const freed = malloc(8)
  freed.free()
  const moved = malloc(8)
  const released = malloc(8)
  libc.free(released.release())
  consume(moved, 8).free()
  for (const handle of [freed, released, moved]) {
    t.throws(() => consume(handle, 8), { instanceOf: Error, code: 'ERR_CMALLOC_FREED' })
  }
})

// What a setter may do meanwhile

test.serial('a setter that frees and consumes other handles does not disturb', (t) => {
  const [freed, moved] = [malloc(100), malloc(100, 1, 'm')]
  const other = foreign(50)
  const taken: NativeBuffer[] = []
  const { source } = accessor(foreign(100), (value, store) => {
    store(value)
    freed.free()
    taken.push(consume(moved, 200), consume({ address: other }, 20), malloc(100, 1, 'n'))
  })
  const handle = consume(source, 100)
  t.deepEqual(Buffer.from(handle.bytes), counting(100))
  t.is(Buffer.from(taken[0]!.bytes.subarray(0, 100)).toString(), 'm'.repeat(100))
  t.deepEqual(Buffer.from(taken[1]!.bytes), counting(20))
  for (const each of [handle, ...taken]) each.free()
})

test.serial('a setter that uses up the limit makes the call fail, and the source is restored', (t) => {
  const address = foreign(100)
  const { source } = accessor(address, (value, store) => {
    store(value)
    setMemoryLimit(value === 0n ? stats().liveBytes + 99 : null)
  })
  refuses(t, { address, size: 100 }, () => consume(source, 100), { code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
  t.is(source.address, address)
  setMemoryLimit(null)
})

test.serial('a setter that consumes the same block: one of both calls has it', async (t) => {
  const { stdout, stderr, signal } = await runFixture('consume-reentrant.js', [], TYPESCRIPT)
  t.is(signal, null, stderr)
  const { owners, intact, codes, liveBlocks } = JSON.parse(stdout) as Record<string, unknown>
  t.is(owners, 1)
  t.deepEqual(intact, [true])
  t.deepEqual(codes, ['ERR_CMALLOC_ALREADY_OWNED'])
  t.is(liveBlocks, 0)
})

// Memory that is not there

test.serial('a block over the set limit is refused, at the byte', (t) => {
  setMemoryLimit(stats().liveBytes + 1000)
  const address = foreign(10)
  const source = { address }
  const expected = { code: 'ERR_CMALLOC_OUT_OF_MEMORY', instanceOf: RangeError } as const
  t.throws(() => consume(source, 1001), expected)
  t.is(source.address, address)
  const handle = consume(source, 1000)
  const { bytes } = handle
  t.throws(() => consume(handle, 1001), expected)
  t.is(handle.bytes, bytes)
  t.is(handle.byteLength, 1000)
  const moved = consume(handle, 1000)
  setMemoryLimit(null)
  moved.free()
})

test.serial('a block that the machine has no memory for is refused', (t) => {
  for (const length of [64 * 1024 ** 4, Number.MAX_SAFE_INTEGER]) {
    const address = foreign(100)
    const source = { address }
    const expected = { code: 'ERR_CMALLOC_OUT_OF_MEMORY', instanceOf: RangeError } as const
    refuses(t, { address, size: 100 }, () => consume(source, length), expected)
    t.is(source.address, address)
    const handle = malloc(100, 1, 'h')
    const { bytes } = handle
    t.throws(() => consume(handle, length), expected)
    t.is(handle.bytes, bytes)
    t.is(Buffer.from(bytes).toString(), 'h'.repeat(100))
    handle.free()
  }
})

interface NoRoom<T> {
  result: T
  leaked: [blocks: number, bytes: number]
  warnings: { name: string; code: string; message: string }[]
}

interface Kept {
  byteLength: number
  residentBytes: number
  intact: boolean
}

async function withoutRoom<T>(t: ExecutionContext, scenario: string, asked: number): Promise<NoRoom<T>> {
  const { stdout, stderr, code } = await runFixture('consume-no-room.js', [scenario, String(asked)], TYPESCRIPT)
  t.is(code, 0, stderr)
  const outcome = JSON.parse(stdout) as NoRoom<T>
  t.deepEqual(outcome.leaked, [0, 0])
  return outcome
}

function warnsOnce(t: ExecutionContext, { warnings }: NoRoom<Kept>, byteLength: number): void {
  t.like(warnings, { length: 1, 0: { name: 'Warning', code: 'CMALLOC_CONSUME_REALLOC_FAILED' } })
  t.regex(warnings[0]!.message, new RegExp(`to ${2 ** 30} bytes.* ${byteLength} bytes`))
}

for (const asked of [1, 1000, 64 * MiB + 5]) {
  linuxTest(
    `a block of ${asked} bytes that realloc cannot grow is owned as it is, and a warning says so`,
    async (t) => {
      type Result = Kept & { usable: number; zeroed: boolean; same: boolean }
      const outcome = await withoutRoom<Result>(t, 'consumeAddress', asked)
      const { byteLength, usable } = outcome.result
      t.true(byteLength >= asked && byteLength <= usable, `${byteLength} of a block of ${asked} to ${usable} bytes`)
      t.like(outcome.result, { residentBytes: byteLength, intact: true, zeroed: true, same: true })
      warnsOnce(t, outcome, byteLength)
    },
  )

  linuxTest(
    `a handle of ${asked} bytes that realloc cannot grow is moved as it is, and a warning says so`,
    async (t) => {
      const outcome = await withoutRoom<Kept & { moved: boolean; same: boolean }>(t, 'consumeHandle', asked)
      t.like(outcome.result, { byteLength: asked, residentBytes: asked, intact: true, moved: true, same: true })
      warnsOnce(t, outcome, asked)
    },
  )

  linuxTest(`a handle of ${asked} bytes that realloc cannot grow stays as it is after resize throws`, async (t) => {
    type Result = Kept & { error: Error & { code: string }; usable: Kept }
    const outcome = await withoutRoom<Result>(t, 'resize', asked)
    const { error, usable } = outcome.result
    t.like(error, { name: 'RangeError', code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
    t.regex(error.message, new RegExp(`${2 ** 30} bytes.* allocator returned NULL`))
    t.like(outcome.result, { byteLength: asked, residentBytes: asked, intact: true })
    t.deepEqual(usable, { byteLength: asked, residentBytes: asked, intact: true })
    t.deepEqual(outcome.warnings, [])
  })
}

linuxTest('a warning that fails does not leave an owned block with an address in its source', async (t) => {
  const { result } = await withoutRoom<{ zeroed: boolean }>(t, 'badWarning', 1000)
  t.true(result.zeroed)
})

linuxTest('malloc throws what the C allocator has not', async (t) => {
  const { result } = await withoutRoom<Error & { code: string }>(t, 'malloc', 0)
  t.like(result, { name: 'RangeError', code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
  t.regex(result.message, new RegExp(`${2 ** 30} bytes.* allocator returned NULL`))
})
