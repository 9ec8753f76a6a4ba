import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { setMemoryLimit, stats, type ViewConstructor } from 'cmalloc'
import { Arena, Mark, Region } from 'cmalloc/arena'
import { escape, live, untilNothingIsInUse } from './support/memory.js'
import * as libc from './support/libc.js'
import { nameOf, RUNTIMES, runSource } from './support/run.js'

const CHUNK = 4096

test.before(untilNothingIsInUse)

const textOf = ({ bytes }: Region): string => Buffer.from(bytes).toString('latin1')

const USES: Record<string, (region: Region, arena: Arena) => unknown> = {
  address: (region) => region.address,
  bytes: (region) => region.bytes,
  view: (region) => region.view(DataView),
  pin: (region) => region.pin(),
  free: (region, arena) => arena.free(region),
  getBufferAddress: (region, arena) => arena.getBufferAddress(region),
}

/** Every way to end a region. */
const ENDS: Record<string, (region: Region, arena: Arena, mark: Mark) => void> = {
  free: (region, arena) => arena.free(region),
  reset: (_region, arena) => arena.reset(),
  resetNow: (_region, arena) => arena.resetNow(),
  rewind: (_region, arena, mark) => arena.rewind(mark),
  rewindNow: (_region, arena, mark) => arena.rewindNow(mark),
  'the end of a mark': (_region, _arena, mark) => mark[Symbol.dispose](),
  dispose: (_region, arena) => arena[Symbol.dispose](),
}

function code(t: ExecutionContext, expected: string, call: () => unknown, title?: string): void {
  t.throws(call, { code: expected }, title)
}

for (const [end, perform] of Object.entries(ENDS)) {
  for (const length of [64, 2 * CHUNK]) {
    test(`a region of ${length} bytes is gone after ${end}, in every member of its own`, (t) => {
      using arena = new Arena({ chunkBytes: CHUNK })
      const mark = arena.mark()
      const region = arena.malloc(length, 1, 'A')
      t.deepEqual([region.freed, region.byteLength], [false, length])
      perform(region, arena, mark)
      t.deepEqual([region.freed, region.byteLength], [true, 0])
      t.is(inspect(region), 'Region { freed: true }')
      for (const [name, use] of Object.entries(USES)) {
        const { message } = t.throws(() => use(region, arena), { instanceOf: Error, code: 'ERR_CMALLOC_FREED' }, name)!
        t.regex(
          message,
          /this region is gone\. It was freed, or its arena was reset, rewound or disposed\. If several users share it, give each an arena of its own$/,
        )
      }
    })
  }
}

test('regions lie behind each other in one chunk, and C sees their bytes', (t) => {
  using arena = new Arena()
  const { allocations } = stats()
  const [one, other] = [arena.malloc(10, 10, 'AB'), arena.malloc(7)]
  t.is(other.address - one.address, 112n, 'aligned to 16')
  t.is(stats().allocations, allocations + 1)
  t.is(libc.strlen((libc.memset(one.address + 99n, 0, 1), one.address)), 99)
  libc.memset(other.address, 67, 7)
  t.is(textOf(other), 'CCCCCCC')
  t.is(arena.getBufferAddress(one), one.address)
  t.is(one.view(DataView, 98, 2).getUint16(0), 0x4100)
  t.is(one.view(Buffer, 0, 4).toString(), 'ABAB')
  t.is(inspect(one), `Region { address: 0x${one.address.toString(16)}, byteLength: 100 }`)
})

test('a region is filled as a block of malloc is', (t) => {
  using arena = new Arena()
  const dirt = arena.malloc(1000, 1, 0xee)
  for (const [init, expected] of [
    ['zero', '\0\0\0\0\0\0\0'],
    [0, '\0\0\0\0\0\0\0'],
    [66, 'BBBBBBB'],
    ['é', 'Ã©Ã©Ã©Ã'],
    ['AB', 'ABABABA'],
    ['a long text', 'a long '],
    [Buffer.from('zero'), 'zerozer'],
    [dirt.bytes.subarray(0, 3), '\xee'.repeat(7)],
  ] as const) {
    arena.reset()
    const stale = arena.malloc(1000, 1, 0xee)
    arena.free(stale)
    t.is(textOf(arena.malloc(7, 1, init)), expected)
  }
  for (const wrong of [null, '', 256, 1.5, [], new Uint16Array(1)]) t.throws(() => arena.malloc(1, 1, wrong as never))
})

test('a pattern may lie where the region comes to lie', (t) => {
  using arena = new Arena()
  const text = arena.malloc(5, 1, Buffer.from('hello'))
  const pattern = text.bytes
  arena.reset()
  t.is(textOf(arena.malloc(12, 1, pattern)), 'hellohellohe')
  arena.reset()
  arena.malloc(3)
  const moved = arena.malloc(64, 1, pattern)
  t.is(textOf(moved), 'hello'.repeat(13).slice(0, 64))
})

for (const align of [1, 2, 8, 64, 4096, 2 ** 16]) {
  test(`regions are aligned to ${align}, whether the arena is told or malloc`, (t) => {
    using told = new Arena({ align, chunkBytes: CHUNK })
    using other = new Arena({ chunkBytes: CHUNK })
    for (const length of [1, 3, 100, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK]) {
      for (const region of [told.malloc(length), other.malloc(length, 1, undefined, { align })]) {
        t.is(region.address % BigInt(align), 0n)
        t.is(region.byteLength, length)
        t.is(region.bytes.fill(1).length, length)
      }
    }
    using roomy = new Arena({ align, chunkBytes: 2 ** 20 })
    const [one, next] = [roomy.malloc(1), roomy.malloc(1)]
    t.is(next.address - one.address, BigInt(align))
  })
}

test('a typed array of a region that is gone sees what comes to lie there, and is empty once the arena is', (t) => {
  const arena = new Arena()
  const { bytes } = arena.malloc(4, 1, 'A')
  arena.reset()
  const next = arena.malloc(4, 1, 'B')
  t.is(Buffer.from(bytes).toString(), 'BBBB')
  t.is(next.bytes.buffer, bytes.buffer)
  arena[Symbol.dispose]()
  t.deepEqual([bytes.length, bytes.buffer.byteLength], [0, 0])
})

test('marks nest, can be rewound to again, and end what came after them only', (t) => {
  using arena = new Arena({ chunkBytes: CHUNK })
  const kept = arena.malloc(100, 1, 'K')
  const outer = arena.mark()
  const [first] = [arena.malloc(100), arena.malloc(3000), arena.malloc(3000), arena.malloc(10_000)]
  const { address } = first!
  const inner = arena.mark()
  const second = arena.malloc(100)
  arena.rewind(inner)
  t.deepEqual([kept.freed, first!.freed, second.freed], [false, false, true])
  arena.rewind(inner)
  const third = arena.malloc(100)
  inner[Symbol.dispose]()
  t.deepEqual([kept.freed, first!.freed, third.freed], [false, false, true])
  const fourth = arena.malloc(100)
  arena.rewind(outer)
  t.deepEqual([kept.freed, first!.freed, fourth.freed], [false, true, true])
  t.is(arena.malloc(100).address, address, 'the same memory again')
  arena.rewind(outer)
  t.is(arena.malloc(100).address, address, 'and again')
  for (const wrong of [undefined, null, {}, Object.create(Mark.prototype)]) {
    code(t, 'ERR_INVALID_ARG_TYPE', () => arena.rewind(wrong))
    code(t, 'ERR_INVALID_ARG_TYPE', () => arena.rewindNow(wrong))
  }
})

/** Every way in which a mark ends. */
const CLOSES: Record<string, (mark: Mark, arena: Arena) => void> = {
  disposed: (mark) => mark[Symbol.dispose](),
  'ended by reset': (_mark, arena) => arena.reset(),
  'ended by resetNow': (_mark, arena) => arena.resetNow(),
}

for (const [how, close] of Object.entries(CLOSES)) {
  test(`a mark that was ${how} cannot be rewound to, and to dispose it does nothing`, (t) => {
    using arena = new Arena()
    const closed = arena.mark()
    close(closed, arena)
    const [kept, open] = [arena.malloc(8), arena.mark()]
    const { message } = t.throws(() => arena.rewind(closed), { code: 'ERR_INVALID_ARG_VALUE' })!
    t.regex(message, /^mark must be an open one of this arena/)
    code(t, 'ERR_INVALID_ARG_VALUE', () => arena.rewindNow(closed))
    closed[Symbol.dispose]()
    t.false(kept.freed)
    open[Symbol.dispose]()
    code(t, 'ERR_INVALID_ARG_VALUE', () => arena.rewind(open))
    code(t, 'ERR_INVALID_ARG_VALUE', () => arena.rewind(new Arena().mark()), 'of another arena')
  })
}

test('a mark can be neither disposed nor rewound to while one is open that was made later', (t) => {
  using arena = new Arena()
  arena.mark()[Symbol.dispose]()
  const [earlier, mine] = [arena.mark(), arena.malloc(8, 1, 'E')]
  const [later, theirs] = [arena.mark(), arena.malloc(8, 1, 'L')]
  for (const [operation, call] of Object.entries({
    dispose: () => earlier[Symbol.dispose](),
    'rewind to': () => arena.rewind(earlier),
    'rewind to, now,': () => arena.rewindNow(earlier),
  })) {
    const { message } = t.throws(call, { instanceOf: Error, code: 'ERR_INVALID_STATE' }, operation)!
    t.regex(message, /^Cannot (dispose|rewind to) mark 2 of this arena: mark 3, which was made later, is open/)
    t.regex(message, /two users share one arena.*Dispose the later mark first.*one arena for each request/)
    t.deepEqual([textOf(mine), textOf(theirs)], ['EEEEEEEE', 'LLLLLLLL'], 'nothing has changed')
  }
  later[Symbol.dispose]()
  t.deepEqual([mine.freed, theirs.freed], [false, true])
  earlier[Symbol.dispose]()
  t.true(mine.freed)
})

test('two requests that share an arena and wait in between are told so', async (t) => {
  using arena = new Arena()
  const handle = async (text: string): Promise<string> => {
    using mark = arena.mark()
    const region = arena.malloc(5, 1, text)
    await new Promise(setImmediate)
    return mark && textOf(region)
  }
  const [first, second] = await Promise.allSettled([handle('first'), handle('other')])
  t.is(first.status, 'rejected')
  t.like((first as PromiseRejectedResult).reason, { code: 'ERR_INVALID_STATE' })
  t.deepEqual(second, { status: 'fulfilled', value: 'other' })
  arena.reset()
  t.is(await handle('third'), 'third', 'the arena goes on')
})

test('marks that are disposed in their order leave nothing open, however deep they nest', (t) => {
  using arena = new Arena({ chunkBytes: CHUNK })
  const nested = (depth: number): void => {
    using mark = arena.mark()
    arena.malloc(100)
    if (depth > 0) nested(depth - 1)
    t.truthy(mark)
  }
  const outer = arena.mark()
  for (let round = 0; round < 3; round++) nested(100)
  t.deepEqual(arena.stats().usedBytes, 0)
  t.notThrows(() => arena.rewind(outer))
})

test('a pinned region keeps its mark open', (t) => {
  using arena = new Arena()
  const mark = arena.mark()
  const region = arena.malloc(8)
  const pin = region.pin()
  code(t, 'ERR_CMALLOC_PINNED', () => mark[Symbol.dispose]())
  code(t, 'ERR_CMALLOC_PINNED', () => arena.rewindNow(mark))
  code(t, 'ERR_CMALLOC_PINNED', () => arena.resetNow())
  pin.unpin()
  arena.rewind(mark)
  t.true(region.freed)
})

test('a mark that goes out of its scope rewinds', (t) => {
  using arena = new Arena()
  let inside: Region
  const before = arena.malloc(8)
  {
    using mark = arena.mark()
    inside = arena.malloc(8)
    t.true(mark instanceof Mark)
  }
  t.deepEqual([before.freed, inside.freed], [false, true])
  t.deepEqual(arena.stats(), { chunks: 1, chunkBytes: 2 ** 20, usedBytes: 8 })
})

test('chunks are kept by reset and used again; those of long regions are freed with them', (t) => {
  const before = live()
  {
    using arena = new Arena({ chunkBytes: CHUNK })
    t.deepEqual(arena.stats(), { chunks: 0, chunkBytes: 0, usedBytes: 0 }, 'nothing before it is needed')
    const addresses = Array.from({ length: 10 }, () => arena.malloc(3000).address)
    arena.malloc(10 * CHUNK, 1, 1)
    t.is(arena.stats().chunks, 11)
    t.is(stats().liveBlocks - before.liveBlocks, 11)
    arena.reset()
    t.deepEqual(arena.stats(), { chunks: 10, chunkBytes: 10 * CHUNK, usedBytes: 0 })
    t.deepEqual(
      addresses.map(() => arena.malloc(3000).address),
      addresses,
    )
    const mark = arena.mark()
    const long = arena.malloc(CHUNK + 1)
    t.is(arena.stats().chunks, 11)
    arena.free(long)
    t.is(arena.stats().chunks, 10)
    arena.malloc(CHUNK + 1)
    arena.rewind(mark)
    t.is(arena.stats().chunks, 10)
  }
  t.deepEqual(live(), before)
})

test('the last region that is freed makes room at once, another one does not', (t) => {
  using arena = new Arena()
  const [first, second] = [arena.malloc(16), arena.malloc(16)]
  const { address } = second
  arena.free(second)
  const third = arena.malloc(16)
  t.is(third.address, address)
  arena.free(first)
  t.is(arena.malloc(16).address, address + 16n)
  using other = new Arena()
  code(t, 'ERR_INVALID_ARG_VALUE', () => other.free(third))
  t.false(third.freed)
  for (const wrong of [undefined, null, 1, {}, Object.create(Region.prototype)]) {
    const { message } = t.throws(() => arena.free(wrong), { code: 'ERR_INVALID_ARG_TYPE' })!
    t.true(message.endsWith('The arena ends by arena[Symbol.dispose]()'), message)
    code(t, 'ERR_INVALID_ARG_TYPE', () => arena.getBufferAddress(wrong))
  }
})

test('chunks are resident, and so is what is cut from them', (t) => {
  using arena = new Arena({ chunkBytes: 64 * 2 ** 20 })
  const { available } = { available: stats().liveBytes }
  arena.malloc(1)
  t.is(stats().liveBytes - available, 64 * 2 ** 20)
})

test('what makes no sense is refused', (t) => {
  for (const wrong of [null, 1, 'x']) {
    code(t, 'ERR_INVALID_ARG_TYPE', () => new Arena(wrong as never))
    using arena = new Arena()
    code(t, 'ERR_INVALID_ARG_TYPE', () => arena.malloc(1, 1, undefined, wrong as never))
  }
  for (const chunkBytes of [0, -1, 1.5, NaN, 2 ** 53]) code(t, 'ERR_OUT_OF_RANGE', () => new Arena({ chunkBytes }))
  for (const align of [0, -16, 3, 24, 1.5, NaN, Infinity, 2 ** 31, 2 ** 32]) {
    code(t, 'ERR_OUT_OF_RANGE', () => new Arena({ align }), String(align))
    using arena = new Arena()
    code(t, 'ERR_OUT_OF_RANGE', () => arena.malloc(1, 1, undefined, { align }), String(align))
  }
  using arena = new Arena()
  for (const align of ['16', null, 16n]) code(t, 'ERR_INVALID_ARG_TYPE', () => new Arena({ align: align as never }))
  for (const count of [0, -1, 1.5, NaN, 2 ** 53]) code(t, 'ERR_OUT_OF_RANGE', () => arena.malloc(count))
  code(t, 'ERR_INVALID_ARG_TYPE', () => arena.malloc('1' as never))
  const region = arena.malloc(16)
  for (const offset of [-1, 17, 1.5]) code(t, 'ERR_OUT_OF_RANGE', () => region.view(Uint8Array, offset))
  code(t, 'ERR_OUT_OF_RANGE', () => region.view(Uint32Array, 2), 'misaligned')
  code(t, 'ERR_OUT_OF_RANGE', () => region.view(Uint32Array, 0, 5), 'too long')
  arena.malloc(1, 1, undefined, { align: 1 })
  const odd = arena.malloc(8, 1, undefined, { align: 1 })
  const { message } = t.throws(() => odd.view(Uint32Array), { code: 'ERR_OUT_OF_RANGE' })!
  t.regex(message, /^Where the view starts in its ArrayBuffer must be a multiple of 4/)
  for (const Class of [Region, Mark]) {
    code(t, 'ERR_ILLEGAL_CONSTRUCTOR', () => Reflect.construct(Class, []))
  }
})

test('a disposed arena allocates nothing, and is disposed once', (t) => {
  const arena = new Arena()
  const mark = arena.mark()
  arena.malloc(1)
  arena[Symbol.dispose]()
  arena[Symbol.dispose]()
  mark[Symbol.dispose]()
  t.true(arena.freed)
  for (const call of [
    () => arena.malloc(1),
    () => arena.mark(),
    () => arena.reset(),
    () => arena.resetNow(),
    () => arena.rewind(mark),
    () => arena.rewindNow(mark),
  ]) {
    t.throws(call, { code: 'ERR_CMALLOC_FREED', message: /this arena was disposed/ })
  }
  t.deepEqual(arena.stats(), { chunks: 0, chunkBytes: 0, usedBytes: 0 })
})

test('as long as a region is pinned nothing of its arena ends', (t) => {
  const before = live()
  const arena = new Arena()
  const mark = arena.mark()
  const [region, other] = [arena.malloc(8, 1, 'P'), arena.malloc(8)]
  const pin = region.pin()
  t.true(arena.pinned)
  for (const [name, end] of Object.entries(ENDS)) {
    if (name === 'dispose') continue
    t.throws(() => end(other, arena, mark), { code: 'ERR_CMALLOC_PINNED', message: /of this arena is pinned/ }, name)
  }
  arena[Symbol.dispose]()
  t.deepEqual([textOf(region), arena.freed], ['PPPPPPPP', false])
  pin.unpin()
  t.deepEqual([region.freed, arena.freed], [true, true])
  t.deepEqual(live(), before)
})

test.serial('bytes that were transferred away are refused, the address stays, and the arena goes on', async (t) => {
  const before = live()
  {
    using arena = new Arena({ chunkBytes: CHUNK })
    const region = arena.malloc(8, 1, 'A')
    const { address } = region
    const moved = await escape(region.bytes)
    for (const use of [() => region.bytes, () => region.view(DataView)]) code(t, 'ERR_CMALLOC_ESCAPED', use)
    t.is(region.address, address)
    libc.memset(address, 66, 8)
    t.is(Buffer.from(moved, 0, 8).toString(), 'BBBBBBBB', 'the memory is there')
    const next = arena.malloc(8, 1, 'N')
    t.is(textOf(next), 'NNNNNNNN')
    t.not(next.bytes.buffer.byteLength, 0)
    arena.reset()
    t.is(textOf(arena.malloc(8, 1, 'R')), 'RRRRRRRR')
    t.is(Buffer.from(moved, 0, 8).toString(), 'BBBBBBBB', 'nobody else writes there')
  }
  t.is(stats().liveBytes - before.liveBytes, CHUNK, 'what was moved away is left, and nothing else')
})

test.serial('a chunk that is refused changes nothing', (t) => {
  // What a test before dropped must not make room in the middle of this one.
  globalThis.gc?.()
  using arena = new Arena({ chunkBytes: CHUNK })
  const region = arena.malloc(4000, 1, 'A')
  setMemoryLimit(stats().liveBytes + 100)
  try {
    code(t, 'ERR_CMALLOC_OUT_OF_MEMORY', () => arena.malloc(4000))
    code(t, 'ERR_CMALLOC_OUT_OF_MEMORY', () => arena.malloc(2 * CHUNK))
    t.is(arena.malloc(16).address, region.address + 4000n)
  } finally {
    setMemoryLimit(null)
  }
  t.is(arena.malloc(4000, 1, 'B').byteLength, 4000)
  t.is(textOf(region), 'A'.repeat(4000))
})

test.serial('options that act on the arena while they are read do no harm', (t) => {
  using arena = new Arena({ chunkBytes: CHUNK })
  const options = {
    get align() {
      arena.reset()
      return 64
    },
  }
  arena.malloc(3000)
  const region = arena.malloc(2000, 1, 'A', options)
  t.is(textOf(region), 'A'.repeat(2000))
  class Odd extends Uint8Array {
    static override get BYTES_PER_ELEMENT(): 1 {
      arena.reset()
      return 1
    }
  }
  t.throws(() => region.view(Odd as unknown as ViewConstructor<Odd>), { code: 'ERR_CMALLOC_FREED' })
})

for (const node of RUNTIMES) {
  test.serial(`a dropped arena is collected with its chunks, on ${nameOf(node)}`, async (t) => {
    const source = `
      const { stats } = require('cmalloc'), { Arena } = require('cmalloc/arena')
      ;(() => { const arena = new Arena(); arena.malloc(1); arena.malloc(2 ** 21, 1, 'A').bytes[0] = 1 })()
      const before = stats().liveBlocks
      const turn = () => { gc(); if (stats().liveBlocks > 0 && rounds++ < 1000) setImmediate(turn); else console.log(before, stats().liveBlocks) }
      let rounds = 0
      turn()`
    const { stdout, stderr } = await runSource(source, { node, flags: ['--expose-gc'] })
    t.deepEqual({ stdout, stderr }, { stdout: '2 0\n', stderr: '' })
  })

  test.serial(`the debug mode writes over regions that are gone, on ${nameOf(node)}`, async (t) => {
    const source = `
      const { Arena } = require('cmalloc/arena')
      const arena = new Arena()
      const mark = arena.mark()
      const { bytes } = arena.malloc(4, 1, 'A')
      arena.rewind(mark)
      console.log(Buffer.from(bytes).toString('hex'))`
    const run = (CMALLOC_DEBUG: string) => runSource(source, { node, env: { CMALLOC_DEBUG } })
    t.is((await run('1')).stdout, 'dfdfdfdf\n')
    t.is((await run('0')).stdout, '41414141\n')
  })
  test.serial(`the debug mode says where the later mark was made, on ${nameOf(node)}`, async (t) => {
    const source = `
      const { Arena } = require('cmalloc/arena')
      const arena = new Arena()
      const earlier = arena.mark()
      const laterUser = () => arena.mark()
      laterUser()
      try { earlier[Symbol.dispose]() } catch ({ cause }) { console.log(cause?.message, /laterUser/.test(cause?.stack)) }`
    const run = (CMALLOC_DEBUG: string) => runSource(source, { node, env: { CMALLOC_DEBUG } })
    t.is((await run('1')).stdout, 'Mark 2 was made here true\n')
    t.is((await run('0')).stdout, 'undefined false\n')
  })
}
