import { once } from 'node:events'
import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { consume, malloc, NativeBuffer, setMemoryLimit, stats, trim, type ThreadStats } from 'cmalloc'
import { createGroup, whyNoGroups, type MemoryGroup } from './support/cgroup.js'
import * as libc from './support/libc.js'
import { everythingIsGivenBack, linuxTest, MiB, noLimitIsLeftBehind } from './support/memory.js'
import { notRun } from './support/not-run.js'
import { ROOT, runFixture } from './support/run.js'

const LIMIT = 300_000_000
const TYPESCRIPT = ['--import=tsx']

interface Refusal {
  name: string
  code: string
  message: string
}

everythingIsGivenBack()
noLimitIsLeftBehind()

// The set limit

const OUT_OF_MEMORY = { instanceOf: RangeError, code: 'ERR_CMALLOC_OUT_OF_MEMORY' } as const

/** Sets a limit that leaves room for that many bytes. */
function leave(bytes: number): number {
  const limit = stats().liveBytes + bytes
  setMemoryLimit(limit)
  return limit
}

test.serial('the set limit is exact at the byte', (t) => {
  for (const room of [1, 1000, 5 * MiB, 40 * MiB]) {
    const limit = leave(room)
    t.throws(() => malloc(room + 1), OUT_OF_MEMORY)
    const block = malloc(room)
    t.is(stats().liveBytes, limit)
    t.throws(() => malloc(1), OUT_OF_MEMORY)
    block.free()
    malloc(room).free()
  }
})

test.serial('the set limit holds for every way to get a block, at the byte', (t) => {
  const data = Buffer.alloc(1001)
  const block = malloc(1001)
  leave(1000)
  t.throws(() => NativeBuffer.from(data), OUT_OF_MEMORY)
  t.throws(() => block.slice(), OUT_OF_MEMORY)
  t.throws(() => malloc(7, 143), OUT_OF_MEMORY)
  t.throws(() => block.resize(2002), OUT_OF_MEMORY)
  t.throws(() => consume(block, 2002), OUT_OF_MEMORY)
  const foreign = { address: libc.malloc(10) }
  t.throws(() => consume(foreign, 1001), OUT_OF_MEMORY)
  t.is(block.byteLength, 1001)

  for (const get of [
    () => NativeBuffer.from(data.subarray(1)),
    () => block.slice(1),
    () => malloc(8, 125),
    () => consume(foreign, 1000),
  ]) {
    const made = get()
    t.is(made.byteLength, 1000)
    made.free()
  }
  const grown = consume(block.resize(2001), 2001)
  t.throws(() => malloc(1), OUT_OF_MEMORY)
  grown.free()
})

test.serial('a limit below what is in use leaves the blocks as they are, which may shrink but not grow', (t) => {
  const block = malloc(1000, 1, 'b')
  setMemoryLimit(1)
  t.is(Buffer.from(block.bytes).toString(), 'b'.repeat(1000))
  t.throws(() => malloc(1), OUT_OF_MEMORY)
  t.throws(() => block.resize(1001), OUT_OF_MEMORY)
  t.is(block.resize(1000).resize(500).byteLength, 500)
  const moved = consume(block, 499)
  t.is(Buffer.from(moved.bytes).toString(), 'b'.repeat(499))
  moved.free()
})

test.serial('null lifts the limit, and the last limit counts', (t) => {
  setMemoryLimit(1)
  setMemoryLimit(stats().liveBytes + 20)
  malloc(20).free()
  t.throws(() => malloc(21), OUT_OF_MEMORY)
  setMemoryLimit(null)
  t.is<unknown, unknown>(stats().memoryLimit, null)
  malloc(MiB).free()
})

test.serial('a bad limit is refused, and the limit stays what it was', (t) => {
  for (const limit of [12_345, null]) {
    setMemoryLimit(limit)
    for (const bad of [0, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 53]) {
      t.throws(() => setMemoryLimit(bad), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }, String(bad))
    }
    for (const bad of ['5', {}, [], 5n, undefined, true, { valueOf: () => 5 }]) {
      t.throws(() => setMemoryLimit(bad as number), { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
    }
    t.is<unknown, unknown>(stats().memoryLimit, limit)
  }
  setMemoryLimit(Number.MAX_SAFE_INTEGER)
  malloc(10).free()
})

test.serial('the refusal says what was asked, what is in use, and what the limit is', (t) => {
  const held = malloc(123)
  const inUse = stats().liveBytes
  const limit = leave(77)
  const { message } = t.throws(() => malloc(4567), OUT_OF_MEMORY)!
  t.is(
    message,
    `Cannot allocate 4567 bytes: ${inUse} of the set limit of ${limit} bytes are in use. ` +
      'Free blocks, ask for less, or raise the memory limit',
  )
  held.free()
})

test.serial('the set limit counts and binds all threads', async (t) => {
  const worker = new Worker(resolve(ROOT, '__test__/fixtures/limits-worker.js'), { execArgv: [] })
  const ask = async (length: number): Promise<{ thread?: ThreadStats; error?: Refusal }> => {
    worker.postMessage(length)
    return ((await once(worker, 'message')) as [never])[0]
  }
  const { liveBytes } = stats()
  const limit = leave(MiB + 100)
  t.like(await ask(MiB), { thread: { liveBytes: MiB } })
  t.throws(() => malloc(101), { ...OUT_OF_MEMORY, message: new RegExp(`${liveBytes + MiB} of the .* ${limit} bytes`) })
  const block = malloc(100)
  t.like(await ask(1), { error: { name: 'RangeError', code: 'ERR_CMALLOC_OUT_OF_MEMORY' } })
  block.free()
  // Otherwise this thread would keep it until its next call.
  trim()
  t.like(await ask(1), { thread: { liveBytes: MiB + 1 } })
  worker.postMessage(0)
  await once(worker, 'exit')
  malloc(MiB + 100).free()
})

// The machine

test.serial('what the machine has not is refused, with the numbers', (t) => {
  const asked = 64 * 1024 ** 4
  const { message } = t.throws(() => malloc(asked), OUT_OF_MEMORY)!
  const numbers = /^Cannot make (\d+) bytes resident: .* have (\d+) bytes left, of which (\d+) are kept/.exec(message)
  t.truthy(numbers, message)
  const [, requested, available, reserve] = numbers!.map(Number)
  t.is(requested, asked)
  t.true(available! > 0 && available! < asked, message)
  t.true(reserve! > 0 && reserve! < available!, message)
})

linuxTest('a refusal touches no page', async (t) => {
  const { stdout, stderr, code } = await runFixture('limits-untouched.js')
  t.is(code, 0, stderr)
  const { grown, codes, length } = JSON.parse(stdout) as { grown: number; codes: string[]; length: number }
  t.deepEqual(codes, ['ERR_CMALLOC_OUT_OF_MEMORY'])
  t.is(length, 100)
  t.true(grown < 4 * MiB, `grown by ${grown} bytes`)
})

// Control groups

interface InGroup {
  availableBytes: number
  live: number
}

async function runInGroup<T>(t: ExecutionContext, group: MemoryGroup, args: string[]): Promise<T & InGroup> {
  const options = { prefix: group.prefix, flags: TYPESCRIPT }
  const { stdout, stderr, code, signal } = await runFixture('limits-group.js', args, options)
  t.is(signal, null, `killed\n${stderr}`)
  t.is(code, 0, stderr)
  const outcome = JSON.parse(stdout) as T & InGroup
  t.is(outcome.live, 0)
  t.true(outcome.availableBytes > 0 && outcome.availableBytes < LIMIT, `${outcome.availableBytes} bytes available`)
  return outcome
}

const noGroups = whyNoGroups()

/** A test that makes memory control groups. */
function testWithGroups(title: string, run: (t: ExecutionContext) => Promise<void>): void {
  if (noGroups === undefined) test.serial(title, run)
  else notRun(title, `no memory control group can be made here: ${noGroups}`)
}

/** A test in a control group of `LIMIT` bytes. */
function groupTest(title: string, run: (t: ExecutionContext, group: MemoryGroup) => Promise<void>): void {
  testWithGroups(title, async (t) => {
    const group = createGroup('limits', LIMIT)
    try {
      await run(t, group)
    } finally {
      await group.remove()
    }
  })
}

interface TooMuch {
  refusals: Record<string, Refusal>
  intact: boolean
  resident: number[]
  regained: number
}

async function refusesTooMuch(t: ExecutionContext, group: MemoryGroup): Promise<void> {
  const { refusals, intact, resident, regained } = await runInGroup<TooMuch>(t, group, ['tooMuch'])
  t.deepEqual(Object.keys(refusals), ['malloc', 'zero', 'byte', 'resize', 'consume', 'consumeHandle'])
  for (const [way, refusal] of Object.entries(refusals)) {
    t.like(refusal, { name: 'RangeError', code: 'ERR_CMALLOC_OUT_OF_MEMORY' }, way)
    const [, requested, available] = /make (\d+) bytes .* have (\d+) bytes left/.exec(refusal.message)!.map(Number)
    t.true(requested! > 2 ** 30 - 11 * MiB && requested! <= 2 ** 30, refusal.message)
    t.true(available! < LIMIT, refusal.message)
  }
  t.true(intact)
  t.deepEqual(resident, [10 * MiB, 150 * MiB])
  t.true(regained > 140 * MiB, `${regained} bytes more available after the blocks were freed`)
}

groupTest('1 GiB in a container of 300 MB is an error, and what fits is had afterwards', refusesTooMuch)

for (const [which, outerLimit, innerLimit] of [
  ['the outer', LIMIT, null],
  ['the outer, and the inner has a larger limit', LIMIT, 4 * LIMIT],
  ['the inner', 4 * LIMIT, LIMIT],
] as const) {
  testWithGroups(`of two nested containers it is ${which} that is small: 1 GiB is an error`, async (t) => {
    const outer = createGroup('outer', outerLimit)
    try {
      const inner = outer.nest('inner', innerLimit)
      try {
        await refusesTooMuch(t, inner)
      } finally {
        await inner.remove()
      }
    } finally {
      await outer.remove()
    }
  })
}

for (const length of [4096, 64 * 1024, MiB, 20 * MiB, 40 * MiB]) {
  groupTest(
    `a container is filled with blocks of ${length} bytes until one is refused, not killed`,
    async (t, group) => {
      type Filled = { refusal: Refusal; bytes: number; again: number; resident: number }
      const { refusal, bytes, again, resident } = await runInGroup<Filled>(t, group, ['manySmall', String(length)])
      t.is(refusal.code, 'ERR_CMALLOC_OUT_OF_MEMORY')
      t.true(bytes > LIMIT / 3, `refused after ${bytes} bytes`)
      t.is(resident, again, 'what was freed can be had again')
    },
  )
}

groupTest('file pages that the container can drop do not count as used', async (t, group) => {
  const directory = mkdtempSync(join(existsSync('/var/tmp') ? '/var/tmp' : tmpdir(), 'cmalloc-'))
  try {
    const file = join(directory, 'file')
    writeUncached(file, 260 * MiB)
    const usageFile = join(group.path, group.usageFile)
    type Read = { usage: number; resident: number }
    const { usage, resident } = await runInGroup<Read>(t, group, ['afterReading', file, usageFile])
    t.true(usage > LIMIT - 150 * MiB, `only ${usage} bytes were in use, so that nothing was tested`)
    t.is(resident, 150 * MiB)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

/** Writes a file that is not in the page cache then: it is the next reader that is charged for its pages. */
function writeUncached(file: string, length: number): void {
  const descriptor = openSync(file, 'w')
  const chunk = Buffer.alloc(MiB, 1)
  for (let written = 0; written < length; written += MiB) writeSync(descriptor, chunk)
  fsyncSync(descriptor)
  libc.dropFromPageCache(descriptor)
  closeSync(descriptor)
}
