'use strict'
// Walks through the whole API, in the main thread and in workers, and gives everything back: a program for tools that
// watch memory. `walk.js PLANT` makes a mistake instead, which a tool that works reports.
const assert = require('node:assert')
const { once } = require('node:events')
const { isMainThread, parentPort, Worker, workerData } = require('node:worker_threads')
const koffi = require('koffi')
const cmalloc = require('cmalloc')
const { Arena } = require('cmalloc/arena')
const { conformance } = require('cmalloc/conformance')
const { MemManager } = require('cmalloc/mem-manager')
const { Pool } = require('cmalloc/pool')
const { consume, free, getBufferAddress, handOver, malloc, NativeBuffer, perThread, setMemoryLimit, stats, takeOver } =
  cmalloc

const c = koffi.load(null)
const cMalloc = c.func('void *malloc(size_t size)')
const cFree = c.func('void free(void *block)')
const cMemset = c.func('void *memset(void *to, int byte, size_t count)')

/** It takes zeros for uninitialised that come as madvise() gave pages back, and minds that lazy blocks look for them. */
const isValgrind = (process.env.LD_PRELOAD ?? '').includes('vgpreload')

/** What a tool must find. */
const plants = {
  leak: () => malloc(1000).release(),
  'double free'() {
    const address = malloc(1000).release()
    cFree(address)
    cFree(address)
  },
  'use after free'() {
    const block = malloc(1000)
    const { address } = block
    block.free()
    cMemset(address, 1, 1)
  },
  overflow() {
    const block = malloc(1000)
    cMemset(block.address, 1, 1001)
  },
}

const refused = (call, code) => assert.throws(call, { code })

const steps = {
  'malloc, init, fill'() {
    for (const init of [undefined, 'zero', 0, 65, 'text', Buffer.from('bytes')]) {
      for (const length of [1, 100, 5000, 3 << 20]) {
        const block = malloc(length, 1, init)
        assert.strictEqual(block.byteLength, length)
        block.fill('xy').fill(1, 0, 1).fill('zero')
        assert(block.bytes.every((byte) => byte === 0))
        free(block)
      }
    }
    refused(() => malloc(0), 'ERR_OUT_OF_RANGE')
    refused(() => malloc(8, 1, ''), 'ERR_INVALID_ARG_VALUE')
    refused(() => malloc(Number.MAX_SAFE_INTEGER), 'ERR_CMALLOC_OUT_OF_MEMORY')
    malloc(8)[Symbol.dispose]()
  },
  'from, slice, write over itself'() {
    const block = NativeBuffer.from(Buffer.from('0123456789'))
    const slice = block.slice(-4, -1)
    assert.strictEqual(Buffer.from(slice.buffer).toString(), '678')
    block.fill(block.bytes.subarray(2, 5))
    assert.strictEqual(Buffer.from(block.buffer).toString(), '2342342342')
    slice.free()
    block.free()
  },
  resize() {
    const block = malloc(10, 1, 'ab')
    for (const length of [20, 5, 3 << 20, 7]) {
      assert.strictEqual(block.view(DataView).getUint8(0), 97)
      block.resize(length, 'c')
    }
    block.free()
    refused(() => block.free(), 'ERR_CMALLOC_FREED')
  },
  'release, consume'() {
    for (const [before, after] of [
      [10, 10],
      [10, 100_000],
      [100_000, 10],
    ]) {
      const source = { address: cMalloc(before) }
      const { address } = source
      const block = consume(source, after)
      assert.strictEqual(source.address, 0n)
      refused(() => consume({ address: getBufferAddress(block) }, 8), 'ERR_CMALLOC_ALREADY_OWNED')
      const moved = consume(block.fill(1), before)
      assert(block.freed && address > 0n)
      cFree(moved.release())
    }
  },
  'pin, residentBytes, stats, limit'() {
    const block = malloc(100)
    const pin = block.pin()
    refused(() => block.free(), 'ERR_CMALLOC_PINNED')
    block[Symbol.dispose]()
    pin.unpin()
    assert(block.freed)
    const kept = malloc(5000)
    assert.strictEqual(kept.residentBytes(), 5000)
    assert(stats().liveBytes >= 5000 && perThread().liveBlocks >= 1)
    setMemoryLimit(stats().liveBytes + 10)
    refused(() => malloc(1000), 'ERR_CMALLOC_OUT_OF_MEMORY')
    refused(() => kept.resize(10_000), 'ERR_CMALLOC_OUT_OF_MEMORY')
    setMemoryLimit(null)
    kept.free()
  },
  'handles and views that are dropped'() {
    for (let round = 0; round < 50; round++) {
      malloc(1000)
      malloc(1000, 1, 'x').bytes.fill(1)
      malloc(1000).resize(2000).view(Uint32Array)[0] = 1
    }
  },
  options() {
    for (const options of [
      { align: 64 },
      { align: 4096 },
      { align: 1 << 21 },
      ...(isValgrind ? [] : [{ lazy: true }, { lazy: true, align: 4096 }]),
      ...(process.platform === 'linux' ? [{ secure: true }, { secure: true, align: 1 << 16 }] : []),
    ]) {
      for (const init of [undefined, 'zero', ...(options.lazy ? [] : ['text'])]) {
        const block = malloc(100, 1, init, options)
        for (const length of [5000, 300_000, 3 << 20, 10, 4096]) {
          block.resize(length).fill('xy', 0, 10)
          assert.strictEqual(block.bytes[9], 121)
          assert.strictEqual(block.address % BigInt(options.align ?? 1), 0n)
        }
        takeOver(handOver(consume(block, 70_000))).free()
        malloc(1000, 1, init, options)
        malloc(1000, 1, init, options).bytes.fill(1)
      }
    }
    if (process.platform === 'linux') {
      const block = malloc(100, 1, 'x', { secure: true })
      refused(() => block.release(), 'ERR_CMALLOC_SECURE')
      block[Symbol.dispose]()
    }
    cFree(malloc(100, 1, 'x', { align: 4096 }).release())
    refused(() => malloc(8, 1, 'x', { lazy: true }), 'ERR_INVALID_ARG_VALUE')
  },
  async escapes() {
    for (const use of [
      (block) => block.free(),
      (block) => block.resize(3000),
      (block) => refused(() => block.release(), 'ERR_CMALLOC_ESCAPED'),
      (block) => refused(() => consume(block, 10), 'ERR_CMALLOC_ESCAPED'),
      (block) => refused(() => handOver(block), 'ERR_CMALLOC_ESCAPED'),
    ]) {
      const block = malloc(1000, 1, 7)
      // oxlint-disable-next-line no-await-in-loop
      const moved = await move(block.buffer)
      use(block)
      assert(moved.every((byte) => byte === 7))
      if (!block.freed) block.free()
    }
  },
  arena() {
    const arena = new Arena({ chunkBytes: 4096 })
    for (const length of [1, 100, 4000, 4096, 10_000]) {
      const mark = arena.mark()
      const region = arena.malloc(length, 1, 'xy', { align: 64 })
      cMemset(region.address, 7, length)
      assert(region.bytes.every((byte) => byte === 7))
      arena.rewind(mark)
      refused(() => region.bytes, 'ERR_CMALLOC_FREED')
    }
    const { bytes } = arena.malloc(100)
    arena.reset()
    arena[Symbol.dispose]()
    assert.strictEqual(bytes.length, 0)
  },
  async pool() {
    for (const scrub of [false, true]) {
      const pool = new Pool({ retainBytes: 1 << 20, scrub })
      for (const length of [1, 5000, 70_000, 2 << 20]) {
        for (const init of [undefined, 'zero', 7]) {
          const block = pool.malloc(length, 1, init)
          cMemset(block.address, 9, length)
          assert(block.bytes.every((byte) => byte === 9))
          block.free()
        }
        pool
          .malloc(length)
          .resize(length + 1000)
          .free()
      }
      const [moved, released] = [pool.malloc(1000, 1, 4), pool.malloc(1000)]
      cFree(released.release())
      takeOver(handOver(pool.malloc(1000))).free()
      // oxlint-disable-next-line no-await-in-loop
      const bytes = await move(moved.buffer)
      moved.free()
      pool.malloc(1000, 1, 5)
      pool.malloc(1000, 1, 5).bytes.fill(6)
      assert(bytes.every((byte) => byte === 4))
      pool.trim(1000)
      pool[Symbol.dispose]()
    }
  },
  managers() {
    for (const allocator of ['CMalloc', 'ArrayBuffer', new Arena(), new Pool({ retainBytes: 10_000 })]) {
      let deaths = 0
      const manager = new MemManager(10, 8, { allocator, init: 'zero', deathStub: () => deaths++ })
      const view = manager.createView(Float64Array)
      view[9] = 1
      assert.strictEqual(manager.extractBufferRegion(72).length, 8)
      manager.free()
      assert.strictEqual(deaths, 1)
      assert.strictEqual(new MemManager(1000, 1, { allocator }).freed, false)
    }
    MemManager.consume({ address: cMalloc(100) }, 100, 10).free()
  },
  'the rules of an allocator'() {
    for (const { run } of conformance(() => cmalloc)) run()
  },
  'hand-over in one thread'() {
    const ticket = handOver(malloc(100, 1, 3))
    const block = takeOver(ticket)
    refused(() => takeOver(ticket), 'ERR_CMALLOC_BAD_TICKET')
    assert.strictEqual(block.bytes[99], 3)
    block.free()
  },
}

/** Moves the bytes to an ArrayBuffer that cmalloc did not make, on every version of Node. */
async function move(buffer) {
  const start = (controller) => controller.enqueue(new Uint8Array(buffer))
  return (await new ReadableStream({ type: 'bytes', start }).getReader().read()).value
}

/** Blocks that go to a worker, are looked at there and come back; the worker leaves some of its own behind. */
async function walkWithWorkers() {
  for (const end of ['natural', 'exit', 'terminate']) {
    const ticket = handOver(malloc(1000, 1, 9))
    const worker = new Worker(__filename, { workerData: { ticket, end } })
    // oxlint-disable-next-line no-await-in-loop
    const [back] = await once(worker, 'message')
    const block = takeOver(back)
    assert(block.bytes.every((byte) => byte === 10))
    block.free()
    // oxlint-disable-next-line no-await-in-loop
    await Promise.all([once(worker, 'exit'), end === 'terminate' && worker.terminate()])
  }
}

async function collectUntil(what, condition) {
  for (let round = 0; round < 200 && !condition(); round++) {
    global.gc()
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((done) => setTimeout(done, 1))
  }
  assert(condition(), `It never happened: ${what}`)
}

async function walk() {
  // One after the other, as the limit is the process's.
  // oxlint-disable-next-line no-await-in-loop
  for (const step of Object.values(steps)) await step()
  // What was moved away and is still there as a thread ends is not freed: another one could be reading it.
  await collectUntil('nothing waits', () => stats().awaitingFinalizerBytes === 0)
}

async function main() {
  const plant = process.argv[2]
  if (plant !== undefined) return plants[plant]()
  await walk()
  await walkWithWorkers()
  await collectUntil('everything is given back', () => stats().liveBlocks === 0)
  assert.strictEqual(stats().liveBytes, 0)
  assert.strictEqual(stats().leakedAtTeardown, 0)
  console.log('done')
}

async function work() {
  await walk()
  const block = takeOver(workerData.ticket)
  for (const [index, byte] of block.bytes.entries()) block.bytes[index] = byte + 1
  globalThis.kept = [malloc(1000), malloc(1000).buffer]
  parentPort.postMessage(handOver(block), [])
  if (workerData.end === 'exit') process.exit()
  if (workerData.end === 'terminate') setInterval(() => {}, 1000)
}

if (isMainThread) main()
else work()
