import { once } from 'node:events'
import { resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { consume, free, malloc, NativeBuffer, perThread, setMemoryLimit, stats, trim, type ThreadStats } from 'cmalloc'
import { ownLimit } from './support/cgroup.js'
import * as libc from './support/libc.js'
import { collectUntil, escape, linuxTest, memAvailable, MiB, untilNothingIsInUse } from './support/memory.js'
import { ROOT } from './support/run.js'

type Counts = Omit<ThreadStats, 'cachedBlocks' | 'cachedBytes'>
type Change = Partial<Counts>

const NOTHING: Counts = { liveBlocks: 0, liveBytes: 0, allocations: 0, explicitFrees: 0, collectedFrees: 0 }

function pick({ liveBlocks, liveBytes, allocations, explicitFrees, collectedFrees }: Counts): Counts {
  return { liveBlocks, liveBytes, allocations, explicitFrees, collectedFrees }
}

function difference(now: Counts, then: Counts): Counts {
  const entries = Object.entries(now).map(([key, value]) => [key, value - then[key as keyof Counts]])
  return Object.fromEntries(entries) as unknown as Counts
}

/** Runs a step, and asserts how it changes the counts of the process and of this thread. */
function changes<T>(t: ExecutionContext, step: () => T, expected: Change, ofThread: Change = expected): T {
  const [process, thread] = [pick(stats()), pick(perThread())]
  const result = step()
  t.deepEqual(difference(pick(stats()), process), { ...NOTHING, ...expected }, 'of the process')
  t.deepEqual(difference(pick(perThread()), thread), { ...NOTHING, ...ofThread }, 'of the thread')
  return result
}

const allocated = (bytes: number): Change => ({ liveBlocks: 1, liveBytes: bytes, allocations: 1 })
const freed = (bytes: number): Change => ({ liveBlocks: -1, liveBytes: -bytes, explicitFrees: 1 })

// A block that a failed test left behind must not change the counts of the next one as it is collected.
test.serial.beforeEach(async () => {
  await collectUntil(() => stats().liveBlocks === 0)
  await untilNothingIsInUse()
})
test.serial.afterEach('everything is given back', (t) => {
  t.like(stats(), { liveBlocks: 0, liveBytes: 0, awaitingFinalizerBytes: 0, leakedAtTeardown: 0 })
  t.like(perThread(), { liveBlocks: 0, liveBytes: 0 })
})
test.serial.afterEach.always('no limit is left behind', () => {
  setMemoryLimit(null)
})

const WAYS_IN: Record<string, [bytes: number, make: () => NativeBuffer]> = {
  malloc: [100, () => malloc(100)],
  'malloc of elements': [800, () => malloc(100, 8, 'zero')],
  'malloc with a pattern': [100, () => malloc(100, 1, 'AB')],
  'a large malloc': [40 * MiB, () => malloc(40 * MiB)],
  from: [10, () => NativeBuffer.from(new Uint8Array(10))],
  'consume of a longer one': [5, () => consume({ address: libc.malloc(100) }, 5)],
  'consume of a shorter one': [500, () => consume({ address: libc.malloc(100) }, 500)],
}

const WAYS_OUT: Record<string, (block: NativeBuffer) => void> = {
  'free()': (block) => block.free(),
  'the function free': free,
  dispose: (block) => block[Symbol.dispose](),
  release: (block) => libc.free(block.release()),
}

for (const [wayIn, [bytes, make]] of Object.entries(WAYS_IN)) {
  for (const [wayOut, end] of Object.entries(WAYS_OUT)) {
    test.serial(`a block that comes by ${wayIn} and goes by ${wayOut} is counted once in and once out`, (t) => {
      const block = changes(t, make, allocated(bytes))
      changes(t, () => end(block), freed(bytes))
    })
  }
}

test.serial('a slice is a block of its own', (t) => {
  const block = changes(t, () => malloc(100), allocated(100))
  const part = changes(t, () => block.slice(-30), allocated(30))
  changes(t, () => block.free(), freed(100))
  changes(t, () => part.free(), freed(30))
})

test.serial('resize and a move change bytes, not blocks', (t) => {
  const block = changes(t, () => malloc(100), allocated(100))
  changes(t, () => block.resize(250), { liveBytes: 150 })
  changes(t, () => block.resize(40 * MiB), { liveBytes: 40 * MiB - 250 })
  changes(t, () => block.resize(10), { liveBytes: 10 - 40 * MiB })
  const grown = changes(t, () => consume(block, 64), { liveBytes: 54 })
  const shrunk = changes(t, () => consume(grown, 7), { liveBytes: -57 })
  changes(t, () => shrunk.free(), freed(7))
})

test.serial('looking at a block changes no count', (t) => {
  const block = malloc(100)
  changes(t, () => [block.buffer, block.bytes, block.view(DataView), block.address, block.residentBytes()], {})
  changes(t, () => block.fill(1), {})
  changes(t, () => block.free(), freed(100))
})

test.serial('dispose of a block that is gone is not counted', (t) => {
  const block = malloc(1)
  block.free()
  changes(t, () => block[Symbol.dispose](), {})
})

test.serial('what is refused changes no count', (t) => {
  const block = malloc(100)
  const foreign = { address: libc.malloc(10) }
  setMemoryLimit(150)
  for (const call of [
    () => malloc(51),
    () => malloc(2 ** 53 - 1),
    () => malloc(0),
    () => malloc(10, 1, ''),
    () => NativeBuffer.from(new Uint8Array(51)),
    () => block.slice(0, 51),
    () => block.slice(50, 50),
    () => block.resize(151),
    () => block.resize(-1),
    () => consume(block, 151),
    () => consume(foreign, 51),
    () => consume({ address: block.address }, 1),
    () => consume(Object.freeze({ ...foreign }), 10),
  ]) {
    changes(t, () => t.throws(call), {})
  }
  libc.free(foreign.address)
  block.free()
  changes(t, () => t.throws(() => block.free(), { code: 'ERR_CMALLOC_FREED' }), {})
})

test.serial('a handle that is dropped is counted as collected', async (t) => {
  const before = pick(stats())
  const thread = pick(perThread())
  for (let count = 0; count < 50; count++) malloc(1000)
  await collectUntil(() => stats().liveBlocks === before.liveBlocks)
  const expected = { ...NOTHING, allocations: 50, collectedFrees: 50 }
  t.deepEqual(difference(pick(stats()), before), expected)
  t.deepEqual(difference(pick(perThread()), thread), expected)
})

test.serial('a viewed block whose handle and ArrayBuffer are dropped is counted as collected', async (t) => {
  const before = pick(stats())
  for (let count = 0; count < 50; count++) malloc(1000).bytes.fill(1)
  await collectUntil(() => stats().liveBlocks === before.liveBlocks)
  t.deepEqual(difference(pick(stats()), before), { ...NOTHING, allocations: 50, collectedFrees: 50 })
})

test.serial('an escaped block that was freed is live until its ArrayBuffer is collected', async (t) => {
  const block = malloc(4096)
  let moved: ArrayBuffer | undefined = await escape(block)
  t.is(stats().awaitingFinalizerBytes, 0)
  // The thread's handles are done with it, the process is not.
  changes(t, () => block.free(), { explicitFrees: 1 }, { liveBlocks: -1, liveBytes: -4096, explicitFrees: 1 })
  t.is(stats().awaitingFinalizerBytes, 4096)
  t.is(moved.byteLength, 4096)
  moved = undefined
  const before = pick(stats())
  await collectUntil(() => stats().awaitingFinalizerBytes === 0)
  t.deepEqual(difference(pick(stats()), before), { ...NOTHING, liveBlocks: -1, liveBytes: -4096 })
})

test.serial('an escaped block that is resized is two until its ArrayBuffer is collected', async (t) => {
  const block = malloc(4096)
  let moved: ArrayBuffer | undefined = await escape(block)
  changes(
    t,
    () => block.resize(100),
    { ...allocated(100), explicitFrees: 1 },
    { liveBytes: 100 - 4096, allocations: 1, explicitFrees: 1 },
  )
  t.is(stats().awaitingFinalizerBytes, 4096)
  t.is(moved.byteLength, 4096)
  moved = undefined
  await collectUntil(() => stats().awaitingFinalizerBytes === 0)
  changes(t, () => block.free(), freed(100))
})

test.serial("a worker's blocks count for the process and for the worker, not for this thread", async (t) => {
  const [before, thread] = [pick(stats()), pick(perThread())]
  const worker = new Worker(resolve(ROOT, '__test__/fixtures/stats-worker.js'), { execArgv: [] })
  const [ofWorker] = (await once(worker, 'message')) as [ThreadStats]
  const counted = { liveBlocks: 1, liveBytes: 1000, allocations: 2, explicitFrees: 1, collectedFrees: 0 }
  t.deepEqual(pick(ofWorker), counted)
  t.deepEqual(difference(pick(stats()), before), counted)
  // Listened for from here on: it may end before its last message has been looked at.
  const ended = once(worker, 'exit')
  worker.postMessage('end')
  t.deepEqual(await once(worker, 'message'), [1000])
  await ended
  // What it kept was freed as it ended, by nobody's call.
  t.deepEqual(difference(pick(stats()), before), { ...NOTHING, allocations: 2, explicitFrees: 1, collectedFrees: 1 })
  t.deepEqual(pick(perThread()), thread)
})

test.serial('the peak is the most that was ever live', (t) => {
  const { peakLiveBytes, liveBytes } = stats()
  const above = peakLiveBytes - liveBytes + 1000
  const block = malloc(above)
  t.is(stats().peakLiveBytes, peakLiveBytes + 1000)
  block.resize(above + 1000)
  t.is(stats().peakLiveBytes, peakLiveBytes + 2000)
  block.resize(10)
  const small = malloc(10)
  const moved = consume(block, 20)
  t.is(stats().peakLiveBytes, peakLiveBytes + 2000)
  for (const each of [small, moved]) each.free()
  // What is kept for the next malloc would count.
  trim()
  const consumed = consume({ address: libc.malloc(8) }, peakLiveBytes + 3000)
  t.is(stats().peakLiveBytes, peakLiveBytes + 3000)
  consumed.free()
  t.is(stats().peakLiveBytes, peakLiveBytes + 3000)
})

test.serial('the peak is not raised by what is refused', (t) => {
  const block = malloc(stats().peakLiveBytes + 100)
  const { peakLiveBytes } = stats()
  const foreign = { address: libc.malloc(10) }
  for (const limit of [null, stats().liveBytes]) {
    setMemoryLimit(limit)
    // Without a limit it is the machine that refuses.
    const more = limit === null ? 2 ** 50 : 1
    for (const call of [
      () => malloc(more),
      () => malloc(more, 1, 'zero'),
      () => block.resize(block.byteLength + more),
      () => consume(block, block.byteLength + more),
      () => consume(foreign, more),
    ]) {
      t.throws(call, { code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
    }
  }
  t.is(stats().peakLiveBytes, peakLiveBytes)
  libc.free(foreign.address)
  block.free()
})

test.serial('memoryLimit is the limit that was set, and null without one', (t) => {
  t.is<unknown, unknown>(stats().memoryLimit, null)
  for (const limit of [1, 123_456, Number.MAX_SAFE_INTEGER]) {
    setMemoryLimit(limit)
    t.is(stats().memoryLimit, limit)
  }
  setMemoryLimit(null)
  t.is<unknown, unknown>(stats().memoryLimit, null)
})

linuxTest('availableBytes is what the machine has left, or what its container leaves of that', (t) => {
  // Other processes take and give meanwhile: that is allowed for.
  const slack = 512 * MiB
  const before = memAvailable()
  const available = stats().availableBytes!
  const after = memAvailable()
  t.true(available > 0)
  t.true(available <= Math.max(before, after) + slack, `${available} of ${before}`)
  const limit = ownLimit()
  if (limit === undefined) t.true(available >= Math.min(before, after) - slack, `${available} of ${before}`)
  else t.true(available <= limit, `${available} of a container of ${limit}`)
})

test.serial('every count is there, and every one is a number', (t) => {
  t.deepEqual(Object.keys(stats()).sort(), [
    'allocations',
    'availableBytes',
    'awaitingFinalizerBytes',
    'cachedBlocks',
    'cachedBytes',
    'collectedFrees',
    'explicitFrees',
    'leakedAtTeardown',
    'letGoBlocks',
    'letGoBytes',
    'liveBlocks',
    'liveBytes',
    'memoryLimit',
    'peakLiveBytes',
  ])
  for (const counts of [{ ...stats(), memoryLimit: 0, availableBytes: 0 }, perThread()]) {
    for (const [name, value] of Object.entries(counts)) t.true(Number.isSafeInteger(value) && value >= 0, name)
  }
})
