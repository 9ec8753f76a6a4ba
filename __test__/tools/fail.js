'use strict'
// Makes every call into the C library and the system fail, one after the other, while the whole API is used, and
// checks after each that nothing is lost and that everything still works.
const assert = require('node:assert')
const koffi = require('koffi')
const { armFault, disarmFault } = require(process.env.NAPI_RS_NATIVE_LIBRARY_PATH)
const { Arena } = require('cmalloc/arena')
const { MemManager } = require('cmalloc/mem-manager')
const { Pool } = require('cmalloc/pool')
const { consume, handOver, malloc, NativeBuffer, perThread, stats, takeOver } = require('cmalloc')

const c = koffi.load(null)
const cMalloc = c.func('void *malloc(size_t size)')
const cFree = c.func('void free(void *block)')
const cMemset = c.func('void *memset(void *to, int byte, size_t count)')

/** Large enough for several looks at the memory that is left. */
const LARGE = 33 << 20

/** Every handle of the round, so that what a failure left over can be freed. */
let handles = []
const kept = (handle) => {
  handles.push(handle)
  return handle
}

const filled = (handle, byte) => new Set(handle.bytes).size === 1 && handle.bytes[0] === byte

/** What must be so whether `call` fails or not. A failure has a code, and says what to do. */
function attempt(call, otherwise = () => {}) {
  try {
    call()
    return true
  } catch (error) {
    if (error.code !== 'ERR_CMALLOC_OUT_OF_MEMORY') throw error
    assert(error instanceof RangeError)
    assert.match(error.message, /^.{20,}$/)
    otherwise()
    return false
  }
}

const steps = {
  malloc() {
    for (const [length, init] of [
      [1],
      [5000, 7],
      [5000, 'zero'],
      [300_000, 'text'],
      [100, Buffer.from('x')],
      [LARGE],
    ]) {
      const before = perThread().liveBlocks
      attempt(
        () => assert.strictEqual(kept(malloc(length, 1, init)).byteLength, length),
        () => assert.strictEqual(perThread().liveBlocks, before),
      )
    }
  },
  'from, slice'() {
    const source = Buffer.alloc(3000, 9)
    attempt(() => {
      const block = kept(NativeBuffer.from(source))
      attempt(
        () => assert(filled(kept(block.slice(10, 2000)), 9)),
        () => assert(filled(block, 9)),
      )
    })
  },
  resize() {
    for (const viewed of [false, true]) {
      attempt(() => {
        const block = kept(malloc(1000, 1, 5))
        for (const length of viewed ? [2000, 300_000, 100] : [2000, LARGE, 10]) {
          const before = block.byteLength
          const view = viewed ? block.bytes : undefined
          attempt(
            () => assert.strictEqual(block.resize(length, 5).byteLength, length),
            () => {
              assert.strictEqual(block.byteLength, before)
              assert(view === undefined || view.length === 0 || view.length === before)
            },
          )
          assert(filled(block.slice(0, 10), 5))
        }
      })
    }
  },
  async 'resize of escaped bytes'() {
    let block
    if (!attempt(() => (block = kept(malloc(1000, 1, 6))))) return
    const moved = await move(block.buffer)
    attempt(
      () => block.resize(2000, 6),
      () => assert.strictEqual(block.byteLength, 1000),
    )
    assert(moved.every((byte) => byte === 6))
  },
  consume() {
    for (const [held, length] of [
      [100, 100],
      [100, 300_000],
      [300_000, 100],
      [100, LARGE],
    ]) {
      const source = { address: cMalloc(held) }
      const { address } = source
      cMemset(address, 3, held)
      attempt(
        () => {
          const block = kept(consume(source, length))
          assert.strictEqual(source.address, 0n)
          assert(block.byteLength <= length)
          assert(block.bytes.subarray(0, Math.min(held, block.byteLength)).every((byte) => byte === 3))
        },
        () => {
          assert.strictEqual(source.address, address)
          cFree(address)
        },
      )
    }
  },
  'consume of a handle'() {
    attempt(() => {
      const block = kept(malloc(1000, 1, 4))
      attempt(
        () => {
          const moved = kept(consume(block, 300_000))
          assert(block.freed)
          assert(moved.bytes.subarray(0, 1000).every((byte) => byte === 4))
        },
        () => assert(filled(block, 4)),
      )
    })
  },
  'release, handOver, takeOver'() {
    attempt(() => cFree(malloc(1000).release()))
    attempt(() => assert(filled(kept(takeOver(handOver(malloc(1000, 1, 2)))), 2)))
  },
  arena() {
    const arena = kept(new Arena({ chunkBytes: 4096 }))
    attempt(() => {
      const first = arena.malloc(3000, 1, 1)
      const mark = arena.mark()
      for (const length of [3000, 20_000, 3000]) attempt(() => assert(filled(arena.malloc(length, 1, 2), 2)))
      arena.rewind(mark)
      assert(filled(first, 1))
    })
  },
  pool() {
    const pool = kept(new Pool({ retainBytes: 1 << 20, scrub: true }))
    for (const length of [1000, 5000, 5000, 300_000, LARGE]) {
      attempt(() => {
        const block = kept(pool.malloc(length, 1, 8))
        assert(filled(block.slice(0, 10), 8))
        attempt(
          () => block.resize(length + 100_000, 8),
          () => assert.strictEqual(block.byteLength, length),
        )
        assert(filled(block.slice(0, 10), 8))
        block.free()
      })
    }
    assert(pool.stats().retainedBytes <= 1 << 20)
  },
  managers() {
    for (const allocator of ['CMalloc', 'ArrayBuffer']) {
      attempt(() => {
        const manager = kept(new MemManager(100, 8, { allocator, init: 3 }))
        assert.deepStrictEqual(manager.extractBufferRegion(798), Uint8Array.of(3, 3))
      })
    }
    const source = { address: cMalloc(100) }
    attempt(
      () => kept(MemManager.consume(source, 100, 100)),
      () => cFree(source.address),
    )
  },
  'fill, view, pin, residentBytes, stats'() {
    attempt(() => {
      const block = kept(malloc(5000, 1, 'zero'))
      const pin = block.pin()
      block.fill('text').view(DataView).setUint8(0, 1)
      assert.strictEqual(residentBytes(block), 5000)
      assert(stats().liveBytes >= 5000)
      pin.unpin()
    })
  },
}

/** What is resident; all of it if the system does not tell. */
function residentBytes(block) {
  try {
    return block.residentBytes()
  } catch (error) {
    assert.strictEqual(error.code, 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM')
    return block.byteLength
  }
}

/** Moves the bytes to an ArrayBuffer that cmalloc did not make, on every version of Node. */
async function move(buffer) {
  const start = (controller) => controller.enqueue(new Uint8Array(buffer))
  return (await new ReadableStream({ type: 'bytes', start }).getReader().read()).value
}

async function use() {
  // One after the other, as a failure is that of one call.
  // oxlint-disable-next-line no-await-in-loop
  for (const step of Object.values(steps)) await step()
}

/** Frees what is left, and waits until nothing is. */
async function giveBack(when) {
  for (const handle of handles) handle[Symbol.dispose]()
  handles = []
  for (let round = 0; round < 100 && stats().liveBlocks > 0; round++) {
    global.gc()
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((done) => setImmediate(done))
  }
  const { liveBlocks, liveBytes } = stats()
  assert.deepStrictEqual({ liveBlocks, liveBytes }, { liveBlocks: 0, liveBytes: 0 }, when)
}

async function main() {
  await use()
  await giveBack('without a failure')
  let calls = 0
  for (let struck = true; struck; calls++) {
    armFault(calls)
    try {
      // oxlint-disable-next-line no-await-in-loop
      await use()
    } catch (error) {
      throw new Error(`After the failure of call ${calls}`, { cause: error })
    } finally {
      struck = disarmFault()
    }
    // oxlint-disable-next-line no-await-in-loop
    await giveBack(`after the failure of call ${calls}`)
  }
  await use()
  await giveBack('at the end')
  assert(calls > 50, `only ${calls} calls could be made to fail`)
  console.log(`${calls - 1} calls were made to fail`)
}

main()
