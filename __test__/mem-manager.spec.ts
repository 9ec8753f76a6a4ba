import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import * as cmalloc from 'cmalloc'
import { AddressRanges } from 'cmalloc/native'
import {
  arrayBufferAllocator,
  MemManager,
  registerAllocator,
  type AllocatedBuffer,
  type Allocator,
  type Death,
  type MemManagerOptions,
} from 'cmalloc/mem-manager'
import * as libc from './support/libc.js'
import { live, untilNothingIsInUse } from './support/memory.js'
import { inTurn, nameOf, RUNTIMES, runFixture, runSource } from './support/run.js'

test.before(untilNothingIsInUse)

/** The allocators that are there, as an option takes them. */
const ALLOCATORS: Record<string, MemManagerOptions['allocator']> = {
  CMalloc: 'CMalloc',
  ArrayBuffer: 'ArrayBuffer',
  'the module itself': cmalloc,
  arrayBufferAllocator,
}

/** An allocator whose buffers are where it says. */
function at(address: bigint): Allocator & { freed: AllocatedBuffer[] } {
  const freed: AllocatedBuffer[] = []
  return {
    freed,
    malloc: (count, size = 1) => ({ byteLength: count * size, bytes: new Uint8Array(count * size) }),
    free: (buffer) => freed.push(buffer),
    getBufferAddress: () => address,
  }
}

/** Somewhere else each time. */
let nowhere = 2n ** 60n
const somewhere = (): bigint => (nowhere += 2n ** 20n)

const fails = (t: ExecutionContext, code: string, call: () => unknown, title?: string): Error =>
  t.throws(call, { code }, title)

test('a manager knows its memory', (t) => {
  for (const [name, allocator] of Object.entries(ALLOCATORS)) {
    const before = live().liveBlocks
    const manager = new MemManager(10, 4, { allocator, init: 'AB' })
    t.is(typeof manager.buffer, 'bigint', name)
    t.is(manager.buffer % 8n, 0n, name)
    t.deepEqual([manager.bufferSize, manager.elementSize, manager.elementCount, manager.freed], [40, 4, 10, false])
    t.is(Buffer.from(libc.read(manager.buffer, 40)).toString(), 'AB'.repeat(20), name)
    t.is(
      inspect(manager),
      `MemManager { identifier: ${manager.identifier}, buffer: 0x${manager.buffer.toString(16)}, bufferSize: 40 }`,
    )
    manager.free()
    t.deepEqual([manager.bufferSize, manager.elementSize, manager.elementCount, manager.freed], [0, 4, 0, true])
    t.is(inspect(manager), `MemManager { identifier: ${manager.identifier}, freed: true }`)
    t.is(live().liveBlocks, before)
  }
})

test('require and import give the same objects', async (t) => {
  const source = `
    const required = require('cmalloc/mem-manager')
    import('cmalloc/mem-manager').then((imported) => console.log(
      Object.keys(required).every((key) => imported[key] === required[key]), Object.keys(required).sort().join()))`
  const { stdout, stderr } = await runSource(source)
  t.is(stderr, '')
  t.is(stdout.trim(), 'true MemManager,arrayBufferAllocator,registerAllocator')
})

test('the size of an element is 1 if omitted, and cmalloc is the allocator', (t) => {
  const before = live().liveBlocks
  const manager = new MemManager(10)
  t.deepEqual([manager.bufferSize, manager.elementSize, live().liveBlocks - before], [10, 1, 1])
  manager.free()
})

test('identifiers are integers that no two managers share', (t) => {
  const managers = Array.from({ length: 100 }, () => new MemManager(1))
  const identifiers = new Set(managers.map(({ identifier }) => identifier))
  t.is(identifiers.size, 100)
  t.true([...identifiers].every(Number.isSafeInteger))
  for (const manager of managers) manager.free()
  t.false(identifiers.has(new MemManager(1).identifier))
})

test('after its end every use of a manager throws, but for what it says of itself', (t) => {
  for (const allocator of Object.values(ALLOCATORS)) {
    const manager = new MemManager(8, 1, { allocator })
    const view = manager.createView(Uint8Array)
    manager.free()
    t.is(view.length, 0)
    const uses: (() => unknown)[] = [
      () => manager.buffer,
      () => manager.extractBufferRegion(),
      () => manager.createView(Uint8Array),
      () => manager.getView('Uint8Array'),
      () => manager.deleteView('Uint8Array'),
      () => manager.endDelay(),
      () => manager.free(),
    ]
    for (const use of uses) t.regex(fails(t, 'ERR_CMALLOC_FREED', use).message, /memory of this MemManager/)
    t.notThrows(() => manager[Symbol.dispose]())
  }
})

test('dispose frees', (t) => {
  const deaths: number[] = []
  const manager = new MemManager(8, 1, { deathStub: ({ identifier }) => deaths.push(identifier) })
  manager[Symbol.dispose]()
  t.deepEqual([manager.freed, deaths], [true, [manager.identifier]])
})

test('junk is refused, and nothing is allocated', (t) => {
  const before = live()
  const make = (...args: unknown[]) => Reflect.construct(MemManager, args) as MemManager
  const cases: [code: string, args: unknown[]][] = [
    ['ERR_INVALID_ARG_TYPE', []],
    ['ERR_INVALID_ARG_TYPE', ['1']],
    ['ERR_OUT_OF_RANGE', [0]],
    ['ERR_OUT_OF_RANGE', [1, -1]],
    ['ERR_OUT_OF_RANGE', [2 ** 30, 2 ** 30]],
    ['ERR_INVALID_ARG_TYPE', [1, 1, null]],
    ['ERR_INVALID_ARG_TYPE', [1, 1, 'CMalloc']],
    ['ERR_INVALID_ARG_TYPE', [1, 1, { allocator: null }]],
    ['ERR_INVALID_ARG_TYPE', [1, 1, { delayedGc: 1 }]],
    ['ERR_INVALID_ARG_TYPE', [1, 1, { deathStub: {} }]],
    ['ERR_INVALID_ARG_TYPE', [1, 1, { init: null }]],
    ['ERR_OUT_OF_RANGE', [1, 1, { init: 256 }]],
    ['ERR_INVALID_ARG_VALUE', [1, 1, { allocator: 'PerlAlloc' }]],
    ['ERR_INVALID_ARG_VALUE', [1, 1, { allocator: {} }]],
  ]
  for (const [code, args] of cases) fails(t, code, () => make(...args), inspect(args))
  t.deepEqual(live(), before)
  t.regex(t.throws(() => make(1, 1, { allocator: 'PerlAlloc' })).message, /'CMalloc', 'ArrayBuffer'/)
})

test('a region is a copy, both ends included', (t) => {
  for (const [name, allocator] of Object.entries(ALLOCATORS)) {
    using manager = new MemManager(5, 4, { allocator, init: Uint8Array.from({ length: 20 }, (_, index) => index) })
    const region = manager.extractBufferRegion(5, 10)
    t.deepEqual([...region], [5, 6, 7, 8, 9, 10], name)
    t.is(region.buffer.byteLength, 6)
    region.fill(0)
    t.deepEqual([...manager.extractBufferRegion(19)], [19], name)
    t.deepEqual([...manager.extractBufferRegion(0, 0)], [0])
    t.deepEqual([...manager.extractBufferRegion(undefined, 1)], [0, 1])
    t.deepEqual(
      [...manager.extractBufferRegion()],
      Array.from({ length: 20 }, (_, index) => index),
      name,
    )
  }
})

test('a region that is none is refused with the bounds', (t) => {
  for (const allocator of Object.values(ALLOCATORS)) {
    using manager = new MemManager(20, 1, { allocator })
    const cases: [args: [number?, number?], message: RegExp][] = [
      [[0, 20], /end must be an integer from 0 to 19\. Received 20/],
      [[20], /start must be an integer from 0 to 19\. Received 20/],
      [[-1], /from 0 to 19/],
      [[0.5], /from 0 to 19/],
      [[10, 5], /start must be at most end, which is 5\. Received 10/],
    ]
    for (const [args, message] of cases) {
      t.throws(() => manager.extractBufferRegion(...args), {
        instanceOf: RangeError,
        code: 'ERR_OUT_OF_RANGE',
        message,
      })
    }
    fails(t, 'ERR_INVALID_ARG_TYPE', () => manager.extractBufferRegion('1' as never))
  }
})

test('a view has the shape that was asked for, and shares the memory', (t) => {
  for (const [name, allocator] of Object.entries(ALLOCATORS)) {
    using manager = new MemManager(6, 8, { allocator, init: 'zero' })
    const matrix = manager.createView(Float64Array, { name: 'matrix', dims: [2, 3] })
    t.true(matrix instanceof Float64Array)
    t.deepEqual([matrix.length, matrix.dims], [6, [2, 3]], name)
    matrix[5] = Math.PI
    const bytes = manager.createView(Uint8Array)
    t.deepEqual([bytes.length, bytes.dims], [48, [48]])
    t.is(new Float64Array(bytes.slice(40).buffer)[0], Math.PI)
    t.is(libc.read(manager.buffer, 48).readDoubleLE(40), Math.PI, name)
    t.is(manager.createView(Int32Array, { dims: [2] }).length, 2)
    t.is(manager.createView(Buffer as never, { name: 'buffer' }).byteLength, 48)
    t.false(Reflect.set(matrix, 'dims', [6]))
    t.false(Reflect.set(matrix.dims, 0, 6))
    t.deepEqual(matrix.dims, [2, 3])
  }
})

test('the shape of a view is a copy', (t) => {
  using manager = new MemManager(6)
  const dims = [2, 3]
  const view = manager.createView(Uint8Array, { dims })
  dims[0] = 100
  t.deepEqual(view.dims, [2, 3])
})

test('views have names', (t) => {
  using manager = new MemManager(16)
  const view = manager.createView(Uint16Array)
  t.is(manager.getView('Uint16Array'), view)
  t.is(manager.getView('other'), undefined)
  t.regex(fails(t, 'ERR_INVALID_ARG_VALUE', () => manager.createView(Uint16Array)).message, /'Uint16Array' already/)
  fails(t, 'ERR_INVALID_ARG_VALUE', () => manager.createView(Uint8Array, { name: 'Uint16Array' }))
  t.is(manager.getView('Uint16Array'), view)
  t.deepEqual([manager.deleteView('Uint16Array'), manager.deleteView('Uint16Array')], [true, false])
  t.is(manager.getView('Uint16Array'), undefined)
  t.not(manager.createView(Uint16Array), view)
  t.is(view.length, 8)
})

test('views that make no sense are refused', (t) => {
  using manager = new MemManager(20)
  const cases: [code: string, args: unknown[]][] = [
    ['ERR_INVALID_ARG_TYPE', []],
    ['ERR_INVALID_ARG_TYPE', [DataView]],
    ['ERR_INVALID_ARG_TYPE', [Uint8Array, null]],
    ['ERR_INVALID_ARG_TYPE', [Uint8Array, { name: 1 }]],
    ['ERR_INVALID_ARG_VALUE', [Uint8Array, { name: '' }]],
    ['ERR_INVALID_ARG_TYPE', [Uint8Array, { dims: 20 }]],
    ['ERR_INVALID_ARG_VALUE', [Uint8Array, { dims: [] }]],
    ['ERR_INVALID_ARG_TYPE', [Uint8Array, { dims: ['20'] }]],
    ['ERR_OUT_OF_RANGE', [Uint8Array, { dims: [0] }]],
    ['ERR_OUT_OF_RANGE', [Uint8Array, { dims: [-4, -5] }]],
    ['ERR_OUT_OF_RANGE', [Uint8Array, { dims: [21] }]],
    ['ERR_OUT_OF_RANGE', [Uint8Array, { dims: [2, 11] }]],
    ['ERR_OUT_OF_RANGE', [Uint8Array, { dims: [2 ** 52, 2 ** 52] }]],
    ['ERR_OUT_OF_RANGE', [Float64Array, { dims: [3] }]],
    ['ERR_OUT_OF_RANGE', [Float64Array]],
  ]
  for (const [code, args] of cases) {
    fails(t, code, () => MemManager.prototype.createView.apply(manager, args as never), inspect(args))
  }
})

test('a type that frees the manager as it is used gets no view', (t) => {
  const manager = new MemManager(8)
  class Frees extends Uint8Array {
    constructor(...args: [ArrayBuffer, number, number]) {
      super(...args)
      manager.free()
    }
  }
  fails(t, 'ERR_CMALLOC_FREED', () => manager.createView(Frees as never))
})

test('the death stub is told of the memory, once, before it goes', (t) => {
  for (const [name, allocator] of Object.entries(ALLOCATORS)) {
    const deaths: (Death & { bytes: string })[] = []
    const deathStub = (death: Death): void =>
      void deaths.push({ ...death, bytes: libc.read(death.address, death.bufferSize).toString() })
    const manager = new MemManager(4, 2, { allocator, init: 'AB', deathStub })
    const { buffer: address, identifier } = manager
    manager.free()
    fails(t, 'ERR_CMALLOC_FREED', () => manager.free())
    manager[Symbol.dispose]()
    const death = { address, bufferSize: 8, elementSize: 2, elementCount: 4, identifier, bytes: 'ABABABAB' }
    t.deepEqual(deaths, [death], name)
  }
})

test('what a death stub throws is thrown after the memory was freed', (t) => {
  for (const end of ['free', Symbol.dispose] as const) {
    const before = live()
    const error = new Error('as planned')
    const deathStub = (): void => {
      throw error
    }
    const manager = new MemManager(8, 1, { deathStub })
    t.is(
      t.throws(() => manager[end]()),
      error,
    )
    t.true(manager.freed)
    t.deepEqual(live(), before)
  }
})

test('a death stub may use, free and make managers', (t) => {
  const before = live()
  let inner: MemManager | undefined
  let calls = 0
  const manager: MemManager = new MemManager(8, 1, {
    init: 'A',
    deathStub: () => {
      calls += 1
      t.false(manager.freed)
      t.is(manager.extractBufferRegion(0, 0)[0], 65)
      manager.free()
      manager[Symbol.dispose]()
      inner = new MemManager(8, 1, { deathStub: () => void (calls += 10) })
      t.not(inner.buffer, manager.buffer)
    },
  })
  manager.free()
  t.deepEqual([calls, manager.freed], [1, true])
  inner!.free()
  t.is(calls, 11)
  t.deepEqual(live(), before)
})

test('an allocator that refuses to free keeps its memory managed', (t) => {
  const allocator = at(somewhere())
  let refuses = true
  const free = (buffer: AllocatedBuffer): void => {
    if (refuses) throw new Error('pinned')
    allocator.free(buffer)
  }
  let deaths = 0
  const manager = new MemManager(8, 1, { allocator: { ...allocator, free }, deathStub: () => void (deaths += 1) })
  t.throws(() => manager.free(), { message: 'pinned' })
  t.deepEqual([manager.freed, allocator.freed.length, deaths], [false, 0, 1])
  fails(t, 'ERR_CMALLOC_ALREADY_OWNED', () => new MemManager(8, 1, { allocator: at(manager.buffer) }))
  refuses = false
  manager.free()
  t.deepEqual([manager.freed, allocator.freed.length, deaths], [true, 1, 1])
})

test('a buffer that was freed behind its back ends the manager at its next free', (t) => {
  const buffers: AllocatedBuffer[] = []
  const allocator: Allocator = {
    ...cmalloc,
    malloc: (...args) => (buffers[buffers.length] = cmalloc.malloc(...args)),
  }
  const manager = new MemManager(8, 1, { allocator })
  ;(buffers[0] as cmalloc.NativeBuffer).free()
  fails(t, 'ERR_CMALLOC_FREED', () => manager.extractBufferRegion())
  fails(t, 'ERR_CMALLOC_FREED', () => manager.free())
  t.true(manager.freed)
})

test('every way to overlap is refused, with both ranges and the identifier', (t) => {
  const address = somewhere()
  const manager = new MemManager(100, 1, { allocator: at(address) })
  const cases: [start: bigint, byteLength: number][] = [
    [0n, 100],
    [-1n, 2],
    [99n, 1],
    [99n, 1000],
    [50n, 10],
    [-50n, 1000],
  ]
  for (const [start, byteLength] of cases) {
    const allocator = at(address + start)
    const error = fails(t, 'ERR_CMALLOC_ALREADY_OWNED', () => new MemManager(byteLength, 1, { allocator }))
    const range = (first: bigint, length: number): string =>
      `the ${length} bytes from 0x${first.toString(16)} to 0x${(first + BigInt(length) - 1n).toString(16)}`
    t.true(error.message.includes(range(address + start, byteLength)), error.message)
    t.true(error.message.includes(range(address, 100)), error.message)
    t.true(error.message.includes(`identifier ${manager.identifier} `), error.message)
    t.deepEqual(allocator.freed, [], 'whose it is nobody knows')
  }
  for (const [start, byteLength] of [
    [-10n, 10],
    [100n, 10],
  ] as const)
    new MemManager(byteLength, 1, { allocator: at(address + start) }).free()
  manager.free()
  new MemManager(100, 1, { allocator: at(address) }).free()
})

test('addresses of 64 bits are managed', (t) => {
  const last = 2n ** 64n - 16n
  const manager = new MemManager(16, 1, { allocator: at(last) })
  t.is(manager.buffer, last)
  fails(t, 'ERR_CMALLOC_ALREADY_OWNED', () => new MemManager(1, 1, { allocator: at(2n ** 64n - 1n) }))
  manager.free()
  fails(t, 'ERR_OUT_OF_RANGE', () => new MemManager(17, 1, { allocator: at(last) }))
  for (const address of [0n, -8n, 8, undefined]) {
    fails(t, 'ERR_INVALID_ARG_VALUE', () => new MemManager(8, 1, { allocator: at(address as bigint) }))
  }
})

test('an allocator that answers with no buffer is told so', (t) => {
  for (const buffer of [undefined, null, 1, {}, { byteLength: 7 }, { byteLength: '8' }]) {
    const allocator = { ...at(somewhere()), malloc: () => buffer as never }
    fails(t, 'ERR_INVALID_ARG_VALUE', () => new MemManager(8, 1, { allocator }), inspect(buffer))
  }
})

test('memory that was freed behind its manager is no overlap', (t) => {
  const address = somewhere()
  const ways: Record<string, () => AllocatedBuffer> = {
    'it says so': () => ({ byteLength: 8, bytes: new Uint8Array(8), freed: true }) as AllocatedBuffer,
    'its bytes are detached': () => ({ byteLength: 8, bytes: new Uint8Array(0) }),
    'its bytes throw': () => ({
      byteLength: 8,
      get bytes(): Uint8Array {
        throw Object.assign(new Error('gone'), { code: 'ERR_CMALLOC_FREED' })
      },
    }),
  }
  for (const [way, malloc] of Object.entries(ways)) {
    const first = new MemManager(8, 1, { allocator: { ...at(address), malloc } })
    const second = new MemManager(8, 1, { allocator: at(address) })
    first.free()
    fails(t, 'ERR_CMALLOC_ALREADY_OWNED', () => new MemManager(8, 1, { allocator: at(address) }), way)
    second.free()
  }
  const broken = new MemManager(8, 1, {
    allocator: {
      ...at(address),
      malloc: () => ({
        byteLength: 8,
        get bytes(): Uint8Array {
          throw new Error('another reason')
        },
      }),
    },
  })
  fails(t, 'ERR_CMALLOC_ALREADY_OWNED', () => new MemManager(8, 1, { allocator: at(address) }))
  broken.free()
})

test('consume takes a block of C over', (t) => {
  const before = live()
  const source = { address: libc.malloc(10) }
  libc.memset(source.address, 65, 10)
  const deaths: Death[] = []
  const manager = MemManager.consume(source, 5, 2, { deathStub: (death) => deaths.push(death) })
  t.is(source.address, 0n)
  t.deepEqual([manager.bufferSize, manager.elementSize, manager.elementCount], [10, 2, 5])
  t.is(Buffer.from(manager.extractBufferRegion()).toString(), 'A'.repeat(10))
  manager.free()
  t.is(deaths.length, 1)
  t.deepEqual(live(), before)
})

test('consume moves a NativeBuffer', (t) => {
  const block = cmalloc.malloc(8, 1, 'A')
  const manager = MemManager.consume(block, 16)
  t.true(block.freed)
  t.is(manager.extractBufferRegion(7, 7)[0], 65)
  manager.free()
})

test('consume refuses what a manager has, and changes nothing', (t) => {
  const address = libc.malloc(64)
  const inner = new MemManager(8, 1, { allocator: at(address + 16n) })
  const source = { address }
  const error = fails(t, 'ERR_CMALLOC_ALREADY_OWNED', () => MemManager.consume(source, 64))
  t.true(error.message.includes(`identifier ${inner.identifier} `), error.message)
  t.is(source.address, address)
  inner.free()
  const outer = new MemManager(64, 1, { allocator: at(address - 16n) })
  fails(t, 'ERR_CMALLOC_ALREADY_OWNED', () => MemManager.consume(source, 8))
  fails(t, 'ERR_CMALLOC_ALREADY_OWNED', () => MemManager.consume({ address: Number(address) }, 8))
  t.is(source.address, address)
  outer.free()
  MemManager.consume(source, 64).free()
  const manager = new MemManager(16)
  fails(t, 'ERR_CMALLOC_ALREADY_OWNED', () => MemManager.consume({ address: manager.buffer }, 16))
  manager.free()
})

test('consume may grow a block beside which another one is managed', (t) => {
  const address = libc.malloc(64)
  const neighbour = new MemManager(64, 1, { allocator: at(address + BigInt(libc.usableSize(address)) + 8n) })
  const manager = MemManager.consume({ address }, 4096)
  t.is(manager.bufferSize, 4096)
  manager.free()
  neighbour.free()
})

test('what a program makes of the language does not mislead managers', async (t) => {
  const { stdout, stderr } = await runSource(
    `const { MemManager } = require('cmalloc/mem-manager')
     const { writeSync } = require('fs')
     const junk = () => { throw new Error('tampered') }
     const methods = [[Map, 'get', 'set', 'delete', 'forEach'], [WeakMap, 'set', 'delete'], [Array, 'push', 'pop', 'map'],
       [FinalizationRegistry, 'register', 'unregister'], [ArrayBuffer, 'transfer'], [Buffer, 'fill']]
     for (const [Class, ...names] of methods) for (const name of names) Class.prototype[name] = junk
     for (const name of ['Map', 'ArrayBuffer', 'Uint8Array', 'structuredClone']) globalThis[name] = junk
     const Bytes = Object.getPrototypeOf(Buffer.from('').constructor)
     Array.prototype[Symbol.iterator] = junk
     function use(allocator) {
       let said = ''
       const options = { allocator, init: 'AB', delayedGc: true, deathStub: () => (said += 'end ') }
       const manager = new MemManager(4, 2, options)
       const view = manager.createView(Bytes, { name: 'bytes' })
       said += manager.extractBufferRegion(7)[0] + ' ' + (manager.getView('bytes') === view) + ' '
       said += MemManager.delayedGcObjects().length + ' ' + manager.deleteView('bytes') + ' '
       manager.free()
       writeSync(1, said + view.length + ';')
     }
     use('CMalloc')
     use('ArrayBuffer')`,
  )
  t.deepEqual([stdout, stderr], ['66 true 1 true end 0;66 true 1 true end 0;', ''])
})

test('managers work in the debug mode', async (t) => {
  const { stdout, stderr } = await runSource(
    `const { MemManager } = require('cmalloc/mem-manager')
     const manager = new MemManager(20, 1, { init: 'A', deathStub: () => console.log('end') })
     console.log(Buffer.from(manager.extractBufferRegion(15)).toString())
     manager.createView(Uint8Array)
     manager.free()`,
    { env: { CMALLOC_DEBUG: '1' } },
  )
  t.deepEqual([stdout, stderr], ['AAAAA\nend\n', ''])
})

test('consume wants an allocator that can, a source and no init', (t) => {
  fails(t, 'ERR_INVALID_ARG_VALUE', () => MemManager.consume({ address: 8n }, 8, 1, { allocator: 'ArrayBuffer' }))
  fails(t, 'ERR_INVALID_ARG_VALUE', () => MemManager.consume({ address: 8n }, 8, 1, { init: 0 } as never))
  fails(t, 'ERR_INVALID_ARG_TYPE', () => MemManager.consume(null as never, 8))
  fails(t, 'ERR_INVALID_ARG_TYPE', () => MemManager.consume({} as never, 8))
  fails(t, 'ERR_OUT_OF_RANGE', () => MemManager.consume({ address: 0n }, 8))
  fails(t, 'ERR_OUT_OF_RANGE', () => MemManager.consume({ address: 8n }, 0))
})

test('an allocator can be given a name, once', (t) => {
  const allocator = at(somewhere())
  registerAllocator('mine', allocator)
  const manager = new MemManager(8, 1, { allocator: 'mine' })
  manager.free()
  t.is(allocator.freed.length, 1)
  for (const name of ['mine', 'CMalloc', 'ArrayBuffer']) {
    t.regex(fails(t, 'ERR_INVALID_ARG_VALUE', () => registerAllocator(name, allocator)).message, /is taken/)
  }
  fails(t, 'ERR_INVALID_ARG_VALUE', () => registerAllocator('', allocator))
  fails(t, 'ERR_INVALID_ARG_TYPE', () => registerAllocator(1 as never, allocator))
})

test('an allocator that lacks a function is refused, with the name of what is missing', (t) => {
  for (const missing of ['malloc', 'free', 'getBufferAddress']) {
    const allocator = { ...at(somewhere()), [missing]: undefined } as unknown as Allocator
    const message = new RegExp(`lacks the function ${missing}$`)
    t.throws(() => registerAllocator(`without ${missing}`, allocator), { code: 'ERR_INVALID_ARG_VALUE', message })
    t.throws(() => new MemManager(8, 1, { allocator }), { code: 'ERR_INVALID_ARG_VALUE', message })
    fails(t, 'ERR_INVALID_ARG_VALUE', () => new MemManager(8, 1, { allocator: `without ${missing}` }))
  }
  t.throws(() => registerAllocator('nothing', {} as never), { message: /malloc, free, getBufferAddress$/ })
  fails(t, 'ERR_INVALID_ARG_TYPE', () => registerAllocator('nothing', null as never))
})

test('a plain ArrayBuffer is allocated by the rules of malloc', (t) => {
  const { malloc } = arrayBufferAllocator
  const text = (buffer: AllocatedBuffer): string => Buffer.from(buffer.bytes).toString('latin1')
  t.is(text(malloc(5, 1, 'AB')), 'ABABA')
  t.is(text(malloc(2, 2, 'A')), 'AAAA')
  t.is(text(malloc(3, 1, new Uint8Array([65, 66]))), 'ABA')
  t.deepEqual(
    [...malloc(3).bytes, ...malloc(3, 1, 'zero').bytes, ...malloc(2, 1, 255).bytes],
    [0, 0, 0, 0, 0, 0, 255, 255],
  )
  t.is(malloc(3, 5).byteLength, 15)
  const junk: unknown[][] = [[], [0], [1.5], [1, 0], [2 ** 30, 2 ** 30], [1, 1, 256], [1, 1, ''], [1, 1, null], ['1']]
  for (const args of junk) {
    const ours = t.throws(() => Reflect.apply(malloc, undefined, args), undefined, inspect(args))
    const its = t.throws(() => Reflect.apply(cmalloc.malloc, undefined, args))
    t.deepEqual(
      [ours.name, (ours as NodeJS.ErrnoException).code, ours.message],
      [its.name, (its as NodeJS.ErrnoException).code, its.message],
    )
  }
})

test('a plain ArrayBuffer that is too large is out of memory', (t) => {
  for (const byteLength of [2 ** 45, Number.MAX_SAFE_INTEGER]) {
    t.throws(() => arrayBufferAllocator.malloc(byteLength), {
      instanceOf: RangeError,
      code: 'ERR_CMALLOC_OUT_OF_MEMORY',
    })
  }
})

test('free empties the views of a plain ArrayBuffer, and ends its buffer', (t) => {
  const { malloc, free, getBufferAddress } = arrayBufferAllocator
  const buffer = malloc(16, 1, 'A')
  const { bytes } = buffer
  t.is(libc.read(getBufferAddress(buffer), 16).toString(), 'A'.repeat(16))
  free(buffer)
  t.deepEqual([bytes.length, bytes.buffer.byteLength, buffer.byteLength], [0, 0, 0])
  for (const use of [() => free(buffer), () => getBufferAddress(buffer), () => buffer.bytes])
    fails(t, 'ERR_CMALLOC_FREED', use)
  for (const foreign of [undefined, null, {}, new Uint8Array(8), cmalloc.malloc(8)]) {
    fails(t, 'ERR_INVALID_ARG_TYPE', () => free(foreign as never))
    fails(t, 'ERR_INVALID_ARG_TYPE', () => getBufferAddress(foreign as never))
  }
  t.false('consume' in arrayBufferAllocator)
})

test('a plain ArrayBuffer that somebody detached has escaped, and can be freed', (t) => {
  const buffer = arrayBufferAllocator.malloc(16)
  const { bytes } = buffer
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
  fails(t, 'ERR_CMALLOC_ESCAPED', () => buffer.bytes)
  fails(t, 'ERR_CMALLOC_ESCAPED', () => arrayBufferAllocator.getBufferAddress(buffer))
  arrayBufferAllocator.free(buffer)
  fails(t, 'ERR_CMALLOC_FREED', () => buffer.bytes)
})

test('ranges of collected buffers are dropped as others come', (t) => {
  const ranges = new AddressRanges()
  const add = (index: number): boolean => ranges.insert(BigInt(index) * 16n + 16n, 16, index, {})
  for (let index = 0; index < 16_384; index++) add(index)
  globalThis.gc!()
  t.true(add(16_384))
  t.true(ranges.size < 100, `there are ${ranges.size}`)
  t.throws(() => ranges.insert(2n ** 64n, 1, 1, {}), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => ranges.insert(-1n, 1, 1, {}), { code: 'ERR_OUT_OF_RANGE' })
})

const ENDS: Record<string, string> = {
  'a dropped manager': 'a dropped manager tells its death stub once, and is freed then',
  'stub before free': 'a dropped manager tells its death stub before the allocator frees',
  'no stub': 'a dropped manager without a death stub leaves its buffer to the garbage collector',
  'an allocator of ones own': 'a dropped manager is freed by an allocator that is not of this package',
  'a stub that throws': 'a death stub that throws after a collection is a warning',
  'an allocator that cannot free': 'an allocator that throws after a collection is a warning',
  'a stub that makes managers': 'a death stub may make managers after a collection',
  delayed: 'a delayed manager stays alive until its delay ends or it is freed',
  'a view keeps its manager': 'a view keeps its manager alive',
  'a deleted view does not keep its manager': 'a deleted view does not keep its manager alive',
}

for (const [index, [name, behaviour]] of Object.entries(ENDS).entries()) {
  for (const node of inTurn(index, RUNTIMES)) {
    test.serial(`${behaviour}, on ${nameOf(node)}`, async (t) => {
      const flags = ['--expose-gc', '--no-warnings']
      const { code, signal, stdout, stderr } = await runFixture('mem-manager-ends.js', [name], { node, flags })
      t.deepEqual([code, signal, stdout], [0, null, 'done\n'])
      // Deno prints warnings all the same.
      if (node !== 'deno') t.is(stderr, '')
    })
  }
}

for (const node of RUNTIMES) {
  const scenario = (name: string) => runFixture('mem-manager-ends.js', [name], { node, flags: ['--expose-gc'] })

  test.serial(`death stubs are called at exit, of those that are still alive, on ${nameOf(node)}`, async (t) => {
    const { code, stdout, stderr } = await scenario('exit')
    t.deepEqual([code, stderr], [0, ''])
    const lines = stdout.trim().split('\n')
    t.deepEqual(lines.toSorted(), [
      'done',
      ...[1, 2, 3, 4, 6].map((identifier) => `end of ${identifier}`),
      'kept is freed: true, live blocks: 1',
    ])
    t.is(lines[0], 'end of 6')
  })

  test.serial(`a death stub that ends the process is not called again, on ${nameOf(node)}`, async (t) => {
    const outcome = await scenario('exit in a stub')
    t.deepEqual(outcome, { code: 0, signal: null, stdout: 'end of 2\nend of 1\n', stderr: '' })
  })

  test.serial(`a death stub that throws at exit is a warning, on ${nameOf(node)}`, async (t) => {
    const { code, stdout, stderr } = await scenario('a stub that throws at exit')
    t.deepEqual([code, stdout], [0, 'done\nend of 1\nend of 2\n'])
    t.regex(stderr, /\[CMALLOC_DEATH_STUB_THREW\] Warning: .+identifier 1 threw.+\nError: as planned\n/)
  })

  test.serial(`death stubs that make managers at exit do not keep the process, on ${nameOf(node)}`, async (t) => {
    const outcome = await scenario('a stub that makes managers at exit')
    t.deepEqual(outcome, { code: 0, signal: null, stdout: 'done\nend of 3\nit ends\n', stderr: '' })
  })

  test.serial(`death stubs are called as a worker ends, on ${nameOf(node)}`, async (t) => {
    const { code, stdout, stderr } = await scenario('worker')
    t.is(code, 0)
    t.is(stdout, '1 true\n2 true\n1 true\n2 true\ndone\n')
    t.is(stderr.match(/CMALLOC_DEATH_STUB_THREW/g)?.length, 4, stderr)
  })
}
