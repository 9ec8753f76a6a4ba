import { once } from 'node:events'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { deflate, deflateSync } from 'node:zlib'
import test from 'ava'
import {
  consume,
  handOver,
  malloc,
  mallocAsync,
  NativeBuffer,
  perThread,
  setCacheLimit,
  setMemoryLimit,
  stats,
  takeOver,
  trim,
} from 'cmalloc'
import { externalBytes } from 'cmalloc/native'
import { Pool } from 'cmalloc/pool'
import * as libc from './support/libc.js'
import { collectUntil, escape, everythingIsGivenBack, MiB, noLimitIsLeftBehind } from './support/memory.js'
import { nameOf, only, OTHER_RUNTIMES, ROOT, runSource, type Runtime } from './support/run.js'

/** What a thread keeps unless told otherwise. */
const LIMIT = 4 * MiB
const OUT_OF_MEMORY = { code: 'ERR_CMALLOC_OUT_OF_MEMORY' }

everythingIsGivenBack()
noLimitIsLeftBehind()
test.serial.beforeEach(() => {
  setCacheLimit(LIMIT)
  trim()
})

/** What is kept. */
const cached = (): [blocks: number, bytes: number] => [stats().cachedBlocks, stats().cachedBytes]

/** Leaves blocks of these lengths in the cache, the first of them the oldest. */
function keep(...lengths: number[]): void {
  const blocks = lengths.map((length) => malloc(length))
  for (const block of blocks) block.free()
}

test.serial('a freed block is kept, and taken by the next malloc of its length', (t) => {
  const block = malloc(1000)
  const { address } = block
  block.free()
  t.deepEqual(cached(), [1, 1000])
  const other = malloc(1001)
  t.deepEqual(cached(), [1, 1000])
  const again = malloc(1000)
  t.is(again.address, address)
  t.is(again.byteLength, 1000)
  t.deepEqual(cached(), [0, 0])
  const third = malloc(1000)
  t.not(third.address, address)
  t.true(block.freed)
  t.throws(() => block.free(), { code: 'ERR_CMALLOC_FREED' })
  for (const each of [other, again, third]) each.free()
  t.deepEqual(cached(), [3, 3001])
})

test.serial('a block can be kept after anything that leaves it as malloc made it', (t) => {
  const block = malloc(100)
  block.fill('AB')
  block.slice(0, 50).free()
  block.residentBytes()
  t.true(block.address > 0n)
  t.throws(() => block.resize(0), { code: 'ERR_OUT_OF_RANGE' })
  block.free()
  NativeBuffer.from(new Uint8Array(7)).free()
  {
    const disposed = malloc(200, 1, 'zero')
    disposed[Symbol.dispose]()
  }
  t.deepEqual(cached(), [4, 357])
})

/** What happens to a block of 100 bytes, and returns the handle that has it then. */
const OTHER_WAYS: Record<string, (block: NativeBuffer) => NativeBuffer | Promise<NativeBuffer>> = {
  resize: (block) => block.resize(200),
  'resize to the same length': (block) => block.resize(100),
  'a refused resize': (block) => {
    setMemoryLimit(1000)
    try {
      block.resize(2000)
    } catch {
      return block
    }
    throw new Error('it was not refused')
  },
  'an escaped ArrayBuffer': async (block) => {
    const moved = await escape(block)
    return moved.byteLength === 100 ? block : Promise.reject(new Error('it did not escape'))
  },
  'a pin': (block) => {
    block.pin().unpin()
    return block
  },
  'consume of the handle': (block) => consume(block, 100),
  'release and consume': (block) => consume({ address: block.release() }, 100),
  handOver: (block) => takeOver(handOver(block)),
  'handOver, of another block': (block) => {
    const ticket = handOver(malloc(100))
    consume({ address: block.release() }, 50).free()
    return takeOver(ticket)
  },
}

for (const [way, make] of Object.entries(OTHER_WAYS)) {
  test.serial(`a block is not kept after ${way}`, async (t) => {
    const block = await make(malloc(100))
    block.free()
    t.deepEqual(cached(), [0, 0])
    // The cell is used again: it must not remember anything.
    const pool = new Pool({ retainBytes: 1 })
    const pooled = pool.malloc(100)
    pooled.free()
    t.deepEqual(cached(), [0, 0])
    if (way === 'an escaped ArrayBuffer') await collectUntil(() => stats().liveBlocks === 0)
  })
}

const OTHER_BLOCKS: Record<string, () => NativeBuffer | Promise<NativeBuffer>> = {
  aligned: () => malloc(100, 1, undefined, { align: 64 }),
  lazy: () => malloc(100, 1, undefined, { lazy: true }),
  ...(process.platform === 'linux' && { secure: () => malloc(100, 1, 'zero', { secure: true }) }),
  'of mallocAsync': () => mallocAsync(100),
  consumed: () => consume({ address: libc.malloc(100) }, 100),
  'of more than 1 MiB': () => malloc(MiB + 1),
}

for (const [kind, make] of Object.entries(OTHER_BLOCKS)) {
  test.serial(`a block that is ${kind} is neither kept nor taken from what is kept`, async (t) => {
    // The cell of what was kept is the next one to be used: it must not remember that.
    keep(100)
    trim()
    const block = await make()
    block.free()
    t.deepEqual(cached(), [0, 0])
    keep(100)
    const other = await make()
    t.deepEqual(cached(), [1, 100])
    other.free()
    t.deepEqual(cached(), [1, 100])
  })
}

for (const [view, make] of Object.entries({
  bytes: (block: NativeBuffer) => block.bytes,
  buffer: (block: NativeBuffer) => block.buffer,
  view: (block: NativeBuffer) => block.view(DataView),
})) {
  test.serial(`a block with ${view} is kept, and its views are empty`, (t) => {
    const block = malloc(100, 1, 'A')
    const { address } = block
    const old = make(block)
    t.is(old.byteLength, 100)
    block.free()
    t.deepEqual(cached(), [1, 100])
    t.throws(() => old.byteLength || fail(), view === 'view' ? { instanceOf: TypeError } : { message: 'empty' })

    const next = malloc(100, 1, 'B')
    t.is(next.address, address)
    const { bytes } = next
    t.is(bytes.length, 100)
    t.is(bytes[99], 66)
    t.throws(() => old.byteLength || fail(), view === 'view' ? { instanceOf: TypeError } : { message: 'empty' })
    next.free()
    t.is(bytes.length, 0)
    t.deepEqual(cached(), [1, 100])
  })
}

/** A `DataView` throws by itself where it has no bytes any more. */
function fail(): never {
  throw new Error('empty')
}

for (const node of only<Runtime>([26])) {
  test.serial(`a block that is shared is not kept, on ${nameOf(node)}`, async (t) => {
    const { stdout } = await runSource(
      `const { malloc, stats } = require('cmalloc')
      const block = malloc(64)
      block.shared
      block.free()
      const kept = stats().cachedBlocks
      malloc(64).free()
      console.log(kept, stats().cachedBlocks)`,
      { node, env: { CMALLOC_CACHE: '1', CMALLOC_DEBUG: '0' } },
    )
    t.is(stdout, '0 1\n')
  })
}

test.serial('a block is not kept while a request may be using its bytes', async (t) => {
  const deflateMissingAwait = (): [address: bigint, zipped: Promise<Buffer>] => {
    const block = malloc(MiB, 1, 'A')
    const { address } = block
    const zipped = promisify(deflate)(block.bytes)
    block.free()
    return [address, zipped]
  }
  const [address, zipped] = deflateMissingAwait()
  t.deepEqual(cached(), [0, 0])
  const next = malloc(MiB, 1, 'B')
  t.not(next.address, address)
  t.true((await zipped).equals(deflateSync(Buffer.alloc(MiB, 'A'))))
  next.free()
  t.deepEqual(cached(), [1, MiB])
  await collectUntil(() => stats().liveBlocks === 0)
})

test.serial('the bytes of kept blocks are reported to V8 once', (t) => {
  const before = externalBytes()
  for (let round = 0; round < 1000; round++) {
    const block = malloc(1000)
    t.is(block.bytes.length, 1000)
    block.free()
  }
  // Node itself reports some 100 bytes for each ArrayBuffer over foreign memory, until the event loop turns.
  t.true(Math.abs(externalBytes() - before) < 300_000, `${externalBytes() - before} bytes`)
})

test.serial('freeNow gives the memory back at once', (t) => {
  malloc(100).freeNow()
  t.deepEqual(cached(), [0, 0])
})

test.serial('a block of 1 MiB is kept', (t) => {
  keep(MiB)
  t.deepEqual(cached(), [1, MiB])
})

test.serial('what comes out of the cache is filled as was asked', (t) => {
  const inits: [init: 'zero' | number | string | Uint8Array, bytes: number[]][] = [
    ['zero', [0, 0, 0]],
    [7, [7, 7, 7]],
    ['AB', [65, 66, 65]],
    [new Uint8Array([1, 2]), [1, 2, 1]],
  ]
  for (const [init, bytes] of inits) {
    malloc(3, 1, 255).free()
    t.deepEqual(cached(), [1, 3])
    const block = malloc(3, 1, init)
    t.deepEqual(cached(), [0, 0])
    t.deepEqual([...block.bytes], bytes)
    block.free()
  }
})

test.serial('a kept block counts as freed, and one that is taken as allocated', (t) => {
  const counts = () => {
    const { liveBlocks, liveBytes, allocations, explicitFrees, collectedFrees } = stats()
    const mine = perThread()
    t.like(mine, { liveBlocks, liveBytes }, 'of the thread')
    return [liveBlocks, liveBytes, allocations, explicitFrees, collectedFrees]
  }
  const [, , allocations, frees, collected] = counts() as [number, number, number, number, number]
  const block = malloc(100)
  t.deepEqual(counts(), [1, 100, allocations + 1, frees, collected])
  block.free()
  t.deepEqual(counts(), [0, 0, allocations + 1, frees + 1, collected])
  t.deepEqual([perThread().cachedBlocks, perThread().cachedBytes], [1, 100])
  const again = malloc(100)
  t.deepEqual(counts(), [1, 100, allocations + 2, frees + 1, collected])
  again.free()
  trim()
  t.deepEqual(counts(), [0, 0, allocations + 2, frees + 2, collected])
  t.deepEqual([perThread().cachedBlocks, perThread().cachedBytes], [0, 0])
})

test.serial('the oldest lengths go when the cache is full', (t) => {
  setCacheLimit(1000)
  keep(300, 301, 302)
  t.deepEqual(cached(), [3, 903])
  malloc(300).free()
  keep(303)
  t.deepEqual(cached(), [3, 905], 'the block of 301 bytes went')
  const still = [300, 302, 303].map((length) => malloc(length))
  t.deepEqual(cached(), [0, 0])
  for (const each of still) each.free()
  keep(1001)
  t.deepEqual(cached(), [3, 905], 'what does not fit at all moves nothing')
  keep(1000)
  t.deepEqual(cached(), [1, 1000])
})

test.serial('there is never more in the cache than its limit, and 4 MiB unless that is set', (t) => {
  keep(...Array.from({ length: 5 }, () => MiB))
  t.deepEqual(cached(), [4, LIMIT])
  keep(...Array.from({ length: 40 }, (_, index) => 200_000 + index))
  const [blocks, bytes] = cached()
  t.true(bytes <= LIMIT && bytes > LIMIT - 300_000, `${bytes} bytes`)
  t.is(blocks, 20)
  setCacheLimit(500_000)
  t.is(cached()[0], 2)
  setCacheLimit(0)
  t.deepEqual(cached(), [0, 0])
  keep(1, 100)
  t.deepEqual(cached(), [0, 0])
})

test.serial('there are never more than 16384 blocks in the cache', (t) => {
  keep(...Array.from({ length: 20_000 }, () => 1))
  t.deepEqual(cached(), [16_384, 16_384])
})

test.serial('lengths that are never asked for again do not fill the cache with nothing', (t) => {
  for (let length = 1; length <= 20_000; length++) malloc(length).free()
  const [, bytes] = cached()
  t.true(bytes <= LIMIT)
  const block = malloc(20_000)
  t.is(cached()[1], bytes - 20_000)
  block.free()
})

test.serial('setCacheLimit refuses what is no limit', (t) => {
  for (const wrong of [-1, 0.5, NaN, Infinity]) {
    t.throws(() => setCacheLimit(wrong), { code: 'ERR_OUT_OF_RANGE', instanceOf: RangeError })
  }
  for (const wrong of [undefined, null, '1']) {
    t.throws(() => setCacheLimit(wrong as unknown as number), { code: 'ERR_INVALID_ARG_TYPE' })
  }
})

const REQUESTS: Record<string, (block: NativeBuffer) => NativeBuffer | Promise<NativeBuffer>> = {
  malloc: () => malloc(900),
  'malloc with an init': () => malloc(900, 1, 'AB'),
  'malloc with an option': () => malloc(900, 1, undefined, { align: 64 }),
  from: () => NativeBuffer.from(new Uint8Array(900)),
  resize: (block) => block.resize(1000),
  'consume of a handle': (block) => consume(block, 1000),
  'consume of an address': () => consume({ address: libc.malloc(10) }, 900),
  mallocAsync: () => mallocAsync(900),
  Pool: () => new Pool({ retainBytes: 1 }).malloc(900),
}

for (const [kind, request] of Object.entries(REQUESTS)) {
  test.serial(`the cache is given up before the memory limit refuses ${kind}`, async (t) => {
    const block = malloc(100)
    setMemoryLimit(1000)
    keep(200, 300)
    t.deepEqual(cached(), [2, 500])
    const more = await request(block)
    t.deepEqual(cached(), [0, 0])
    t.throws(() => malloc(1), OUT_OF_MEMORY)
    more.free()
    if (!block.freed) block.free()
  })
}

test.serial('the cache is given up before garbage is collected', (t) => {
  ;(() => malloc(5000).address)()
  setMemoryLimit(10_000)
  keep(4000)
  const { collectedFrees } = stats()
  const next = malloc(4500)
  t.is(stats().collectedFrees, collectedFrees)
  t.is(stats().liveBlocks, 2)
  // Now it takes a collection.
  malloc(6000 - 500).free()
  t.true(stats().collectedFrees > collectedFrees)
  next.free()
})

test.serial('what is kept counts in the memory limit', (t) => {
  setMemoryLimit(1000)
  keep(600)
  t.throws(() => malloc(1001), OUT_OF_MEMORY)
  t.deepEqual(cached(), [0, 0])
})

test.serial('nothing is kept while more is live than the memory limit allows', (t) => {
  const [first, second] = [malloc(600), malloc(600)]
  setMemoryLimit(1000)
  first.free()
  t.deepEqual(cached(), [0, 0])
  t.throws(() => malloc(600), OUT_OF_MEMORY)
  setMemoryLimit(null)
  second.free()
  t.deepEqual(cached(), [1, 600])
})

test.serial('setMemoryLimit leaves nothing in the cache that would exceed the limit', (t) => {
  keep(600)
  setMemoryLimit(500)
  t.throws(() => malloc(600), OUT_OF_MEMORY)
})

test.serial('the address of a kept block cannot be consumed', (t) => {
  const block = malloc(100)
  const { address } = block
  block.free()
  t.deepEqual(cached(), [1, 100])
  for (const inside of [address, address + 48n]) {
    t.throws(() => consume({ address: inside }, 100), { code: 'ERR_CMALLOC_ALREADY_OWNED' })
  }
})

test.serial('a dropped handle of a block that was kept before ends as any other', async (t) => {
  const { collectedFrees } = stats()
  for (let count = 0; count < 100; count++) malloc(500).free()
  ;(() => malloc(500))()
  t.deepEqual(cached(), [0, 0])
  await collectUntil(() => stats().liveBlocks === 0)
  t.is(stats().collectedFrees, collectedFrees + 1)
})

test.serial('trim tells how much the calling thread had kept', (t) => {
  keep(100, 200)
  t.is(trim(), 300)
  t.deepEqual(cached(), [0, 0])
  t.is(trim(), 0)
})

/** A thread that keeps a block of 1000 bytes, and makes and frees another of 10 for each message. */
const KEEPER = `
  const { parentPort } = require('node:worker_threads')
  const { malloc } = require(${JSON.stringify(resolve(ROOT, 'dist/index.js'))})
  malloc(1000).free()
  const held = []
  parentPort.on('message', (what) => {
    if (what === 'malloc') held.push(malloc(10))
    else held.pop().free()
    parentPort.postMessage('done')
  })
  parentPort.postMessage('ready')
`

test.serial('what other threads keep is counted, and given up at their next call', async (t) => {
  const worker = new Worker(KEEPER, { eval: true })
  await once(worker, 'message')
  const call = async (what: string): Promise<void> => {
    worker.postMessage(what)
    await once(worker, 'message')
  }
  t.deepEqual(cached(), [1, 1000])
  t.deepEqual([perThread().cachedBlocks, perThread().cachedBytes], [0, 0])
  trim()
  t.deepEqual(cached(), [1, 1000])
  await call('malloc')
  t.deepEqual(cached(), [0, 0], 'after trim')
  await call('free')
  t.deepEqual(cached(), [1, 10])
  setMemoryLimit(stats().liveBytes + 500)
  t.throws(() => malloc(501), OUT_OF_MEMORY)
  await call('malloc')
  t.deepEqual(cached(), [0, 0], 'after a refusal')
  await call('free')
  const { explicitFrees, collectedFrees } = stats()
  await worker.terminate()
  await collectUntil(() => stats().cachedBlocks === 0)
  t.like(stats(), { cachedBlocks: 0, cachedBytes: 0, liveBlocks: 0, liveBytes: 0, explicitFrees, collectedFrees })
})

test.serial(
  'garbage is collected before a refusal although another evaluation keeps blocks in this thread',
  async (t) => {
    const { stdout, stderr } = await runSource(
      `const other = require('cmalloc')
    for (const path of Object.keys(require.cache)) if (path.includes('dist')) delete require.cache[path]
    const { malloc, setMemoryLimit, stats } = require('cmalloc')
    setMemoryLimit(100_000)
    other.malloc(1000).free()
    ;(() => { for (let count = 0; count < 9; count++) malloc(10_000) })()
    console.log(other.malloc !== malloc, stats().cachedBytes, malloc(60_000).byteLength)`,
      { env: { CMALLOC_CACHE: '1', CMALLOC_DEBUG: '0' } },
    )
    t.is(stdout, 'true 1000 60000\n', stderr)
  },
)

for (const node of [...only<Runtime>([26]), ...OTHER_RUNTIMES]) {
  test.serial(`what a thread had kept as it ended is not counted as kept, on ${nameOf(node)}`, async (t) => {
    const { stdout, stderr } = await runSource(
      `const { stats } = require('cmalloc')
      const { Worker } = require('node:worker_threads')
      const program = \`
        const { malloc } = require(\${JSON.stringify(require.resolve('cmalloc'))})
        for (let length = 1; length <= 100; length++) malloc(length).free()\`
      new Worker(program, { eval: true }).on('exit', function look() {
        const { liveBlocks, liveBytes, cachedBlocks, cachedBytes, allocations, explicitFrees, collectedFrees } = stats()
        // Its slots are finalized a moment later.
        if (liveBlocks + liveBytes > 0) return setTimeout(look, 10)
        console.log(cachedBlocks, cachedBytes, allocations, explicitFrees, collectedFrees)
      })`,
      { node, env: { CMALLOC_CACHE: '1', CMALLOC_DEBUG: '0' } },
    )
    t.is(stdout, '0 0 100 100 0\n', stderr)
  })
}

for (const [name, env] of Object.entries({
  'in the debug mode': { CMALLOC_DEBUG: '1', CMALLOC_CACHE: '1' },
  'with CMALLOC_CACHE=0': { CMALLOC_CACHE: '0', CMALLOC_DEBUG: '0' },
})) {
  test.serial(`nothing is kept ${name}`, async (t) => {
    const { stdout, stderr } = await runSource(
      `const { malloc, setCacheLimit, stats, trim } = require('cmalloc')
       setCacheLimit(1000)
       malloc(100).free()
       console.log(stats().cachedBlocks, trim(), stats().liveBlocks)`,
      { env },
    )
    t.is(stdout, '0 0 0\n', stderr)
  })
}
