import assert from 'node:assert'
import { EventEmitter, once } from 'node:events'
import { format, inspect, isDeepStrictEqual } from 'node:util'
import { MessageChannel } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import * as cmalloc from 'cmalloc'
import { consume, free, getBufferAddress, handOver, malloc, mallocAsync, NativeBuffer, stats, takeOver } from 'cmalloc'
import { Arena } from 'cmalloc/arena'
import { conformance } from 'cmalloc/conformance'
import { arrayBufferAllocator, MemManager, registerAllocator } from 'cmalloc/mem-manager'
import { Pool } from 'cmalloc/pool'

type Call = () => unknown

/** A call that TypeScript would refuse. */
const any = (value: unknown): any => value

const pool = (): Pool => new Pool({ retainBytes: 1_000_000 })
const arena = new Arena()
const manager = (): MemManager => new MemManager(16)

function refuses(t: ExecutionContext, calls: Record<string, Call>, code: string): void {
  for (const [message, call] of Object.entries(calls)) {
    const error = t.throws(call, { instanceOf: TypeError, code }, message)
    t.true(error?.message.includes(message), `${error?.message}, and not ${message}`)
  }
}

function messageOf(call: Call): string {
  try {
    call()
    return 'nothing is thrown'
  } catch (error) {
    return (error as Error).message
  }
}

// Options

test('an unknown option is named, with the nearest one and all that there are', (t) => {
  const before = stats().liveBlocks
  refuses(
    t,
    {
      'malloc() has no option algn. Did you mean align? The options are align, lazy and secure': () =>
        malloc(8, 1, 0, any({ algn: 4096 })),
      'malloc() has no option Alignment. Did you mean align?': () => malloc(8, 1, 0, any({ Alignment: 4096 })),
      'malloc() has no option sceure. Did you mean secure?': () => malloc(8, 1, 0, any({ sceure: undefined })),
      'malloc() has no option zzz. The options are': () => malloc(8, 1, 0, any({ align: 8, zzz: 1 })),
      'new Pool() has no option retain. Did you mean retainBytes? The options are retainBytes, classes, scrub, align and':
        () => new Pool(any({ retainBytes: 5, retain: 5 })),
      'new Arena() has no option chunkByte. Did you mean chunkBytes?': () => new Arena(any({ chunkByte: 5 })),
      'malloc() of an Arena has no option aling. Did you mean align? The only option is align': () =>
        arena.malloc(8, 1, 0, any({ aling: 8 })),
      'new MemManager() has no option fill. The options are init,': () => new MemManager(8, 1, any({ fill: 0 })),
      'MemManager.consume() has no option allocater. Did you mean allocator?': () =>
        MemManager.consume({ address: 1n }, 1, 1, any({ allocater: 'CMalloc' })),
      'createView() has no option dim. Did you mean dims?': () => manager().createView(Uint8Array, any({ dim: [8] })),
      'has no option aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…': () => malloc(8, 1, 0, any({ ['a'.repeat(1e6)]: 1 })),
    },
    'ERR_INVALID_ARG_VALUE',
  )
  t.is(stats().liveBlocks, before + 1, 'only the memory of the view is there')
})

test('an unknown option rejects mallocAsync', async (t) => {
  await t.throwsAsync(mallocAsync(8, 1, 0, any({ onprogress: () => {} })), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /no option onprogress\. Did you mean onProgress\?/,
  })
})

test('what options inherit, and their symbols, are nobody’s mistake', (t) => {
  const options = Object.assign(Object.create({ inherited: 1 }), { align: 16, [Symbol('mine')]: 1 })
  t.notThrows(() => malloc(8, 1, 0, options))
})

// Places

test('an init or options in the place of another argument get an error that shows the right call', (t) => {
  const [zero, align] = [any('zero'), any({ align: 4096 })]
  const calls = {
    "malloc(count, 1, 'zero')": () => malloc(8, zero),
    'malloc(count, 1, undefined, { align: 4096 })': () => malloc(8, align),
    'Received an object. For options, write malloc(count, 1, undefined, { align: 4096 })': () => malloc(8, 1, align),
    "To fill the memory, write malloc(count, 1, 'zero')": () => malloc(8, any(new Uint8Array(4))),
    "pool.malloc(count, 1, 'zero')": () => pool().malloc(8, zero),
    'new Pool({ retainBytes, align: 4096 })': () => pool().malloc(8, align),
    "arena.malloc(count, 1, 'zero')": () => arena.malloc(8, zero),
    'arena.malloc(count, 1, undefined, { align: 64 })': () => arena.malloc(8, align),
    "new MemManager(count, 1, { init: 'zero' })": () => new MemManager(8, any({ init: 'zero' })),
    "arrayBufferAllocator.malloc(count, 1, 'zero')": () => arrayBufferAllocator.malloc(8, zero),
  }
  refuses(t, calls, 'ERR_INVALID_ARG_TYPE')
})

// Surplus arguments

test('a surplus argument is refused by every function and method', async (t) => {
  const block = any(malloc(16))
  const region = any(arena.malloc(16))
  const managed = any(manager())
  const pooled = any(pool())
  const blocks = any(arena)
  const functions = any(cmalloc)
  const Managers = any(MemManager)
  const calls: Record<string, Call> = {
    'malloc(count, size, init, options)': () => functions.malloc(8, 1, 0, undefined, undefined),
    'consume(source, byteLength)': () => functions.consume(malloc(8), 8, 1),
    'free(buffer)': () => functions.free(malloc(8), malloc(8)),
    'getBufferAddress(buffer)': () => functions.getBufferAddress(block, undefined),
    'handOver(buffer)': () => functions.handOver(malloc(8), {}),
    'takeOver(ticket)': () => functions.takeOver(handOver(malloc(8)), {}),
    'stats()': () => functions.stats(1),
    'perThread()': () => functions.perThread(1),
    'setMemoryLimit(bytes)': () => functions.setMemoryLimit(null, 1),
    'NativeBuffer.from(data)': () => functions.NativeBuffer.from(new Uint8Array(8), 4),
    'pin(until)': () => block.pin(Promise.resolve(), 1),
    'use(work)': () => block.use(() => {}, 1),
    'view(type, byteOffset, length)': () => block.view(Uint8Array, 0, 8, 1),
    'fill(init, start, end)': () => block.fill(0, 0, 8, 1),
    'slice(start, end)': () => block.slice(0, 8, 1),
    'resize(byteLength, init)': () => block.resize(8, 0, 1),
    'residentBytes()': () => block.residentBytes(0),
    'read(into, start)': () => block.read(new Uint8Array(1), 0, 1),
    'write(from, start)': () => block.write(new Uint8Array(1), 0, 1),
    'release()': () => block.release(1),
    'new Pool(options)': () => new (any(Pool))({ retainBytes: 8 }, 1),
    'malloc(count, size, init) of a Pool has no more arguments than these, and was given 4. For options, write new Pool(':
      () => pooled.malloc(8, 1, 0, { align: 8 }),
    'free(buffer) ': () => pooled.free(malloc(8), undefined),
    'getBufferAddress(buffer) ': () => pooled.getBufferAddress(malloc(8), undefined),
    'trim(retainBytes)': () => pooled.trim(0, 1),
    'stats() ': () => pooled.stats(1),
    'new Arena(options)': () => new (any(Arena))({}, 1),
    'malloc(count, size, init, options) ': () => blocks.malloc(8, 1, 0, {}, 1),
    'free(region)': () => blocks.free(region, region),
    'getBufferAddress(region)': () => blocks.getBufferAddress(region, region),
    'mark()': () => blocks.mark(1),
    'rewind(mark)': () => blocks.rewind(arena.mark(), 1),
    'rewindNow(mark)': () => blocks.rewindNow(arena.mark(), 1),
    'stats() has': () => blocks.stats(1),
    'view(type, byteOffset, length) ': () => region.view(Uint8Array, 0, 8, 1),
    'pin(until) ': () => region.pin(Promise.resolve(), 1),
    'new MemManager(count, size, options)': () => new Managers(8, 1, {}, 1),
    'consume(source, count, size, options)': () => Managers.consume({ address: 1n }, 8, 1, {}, 1),
    'delayedGcObjects()': () => Managers.delayedGcObjects(1),
    'extractBufferRegion(start, end)': () => managed.extractBufferRegion(0, 1, 1),
    'createView(type, options)': () => managed.createView(Uint8Array, {}, 1),
    'getView(name)': () => managed.getView('a', 1),
    'deleteView(name)': () => managed.deleteView('a', 1),
    'registerAllocator(name, allocator)': () => any(registerAllocator)('mistaken', arrayBufferAllocator, 1),
    'malloc(count, size, init)': () => any(arrayBufferAllocator).malloc(8, 1, 0, {}),
    'free(buffer) has': () => any(arrayBufferAllocator).free(arrayBufferAllocator.malloc(8), {}),
    'getBufferAddress(buffer) has': () =>
      any(arrayBufferAllocator).getBufferAddress(arrayBufferAllocator.malloc(8), {}),
    'conformance(make)': () => any(conformance)(() => arrayBufferAllocator, 1),
  }
  refuses(t, calls, 'ERR_INVALID_ARG_VALUE')
  t.deepEqual(
    [block.freed, block.byteLength, region.freed, block.pinned],
    [false, 16, false, false],
    'nothing was done',
  )
  await t.throwsAsync(any(mallocAsync)(8, 1, 0, {}, 1), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /^mallocAsync\(count/,
  })
})

test('a function of one argument can be given to forEach, map and Array.from', (t) => {
  const make = (): NativeBuffer[] => [malloc(8), malloc(8)]
  const visits: Record<string, (blocks: NativeBuffer[]) => unknown> = {
    'forEach of an array': (blocks) => blocks.forEach(free),
    'forEach of a set': (blocks) => new Set(blocks).forEach(free),
    'forEach of a map': (blocks) => new Map(blocks.map((block) => [`${block.address}`, block])).forEach(free),
    map: (blocks) => blocks.map(free),
    'Array.from': (blocks) => Array.from(blocks, free),
  }
  for (const [name, visit] of Object.entries(visits)) {
    const blocks = make()
    visit(blocks)
    t.true(
      blocks.every(({ freed }) => freed),
      name,
    )
  }
  const blocks = make()
  t.deepEqual(
    blocks.map(getBufferAddress),
    blocks.map(({ address }) => address),
  )
  blocks.map(handOver).map(takeOver).forEach(free)
  t.is([new Uint8Array(8), new Uint8Array(8)].map(NativeBuffer.from).length, 2)
  const [pooled, plain] = [pool(), arrayBufferAllocator]
  ;[pooled.malloc(8), pooled.malloc(8)].forEach(pooled.free, pooled)
  ;[arena.malloc(8), arena.malloc(8)].forEach(arena.free, arena)
  ;[plain.malloc(8), plain.malloc(8)].forEach(plain.free)
})

test('a method that was called without its block says how a callback is written', async (t) => {
  const block = malloc(8)
  const emitter = new EventEmitter().on('end', block.free).on('now', block.freeNow)
  const expected = (name: string) => ({
    instanceOf: TypeError,
    code: 'ERR_INVALID_ARG_TYPE',
    message: `${name}() was called without its block. As a callback write () => block.${name}()`,
  })
  t.throws(() => emitter.emit('end'), expected('free'))
  t.throws(() => emitter.emit('now'), expected('freeNow'))
  await t.throwsAsync(Promise.resolve().then(block.free), expected('free'))
  t.false(block.freed)
  block.free()
})

test('options that are no object are answered with those that there are', (t) => {
  const all = 'The options are retainBytes, classes, scrub, align and idleMilliseconds'
  const expected = (message: string) => ({ instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE', message })
  t.throws(() => new (any(Pool))(1024), expected(`options must be an object. Received 1024. ${all}`))
  t.throws(
    () => any(malloc)(8, 1, 0, null),
    expected('options must be an object. Received null. The options are align, lazy and secure'),
  )
})

test('what is no ticket is answered with where tickets come from', (t) => {
  const block = malloc(8)
  t.throws(() => any(takeOver)(block), {
    code: 'ERR_INVALID_ARG_TYPE',
    message: 'ticket.ticket must be a string. Received undefined. Pass what handOver() returned',
  })
  block.free()
})

test('what ends something can be the listener of an event, which passes whatever it has', async (t) => {
  const emitter = new EventEmitter()
  const [block, now, own] = [malloc(8), malloc(8), new Arena()]
  const region = own.malloc(8)
  const pin = now.pin()
  for (const end of [block.free.bind(block), pin.unpin.bind(pin), own.reset.bind(own)]) emitter.on('close', end)
  emitter.on('close', now.freeNow.bind(now))
  const closed = once(emitter, 'close')
  emitter.emit('close', true, new Error('late'))
  await closed
  t.deepEqual([block.freed, now.freed, region.freed], [true, true, true])
})

test('an end that is given another block or a mark is a mistake', (t) => {
  const [block, other] = [malloc(8), malloc(8)]
  const own = new Arena()
  const region = own.malloc(8)
  const mark = own.mark()
  const calls = {
    'For that, write free(block)': () => any(block).free(other),
    'To end those since a mark, write rewind(mark)': () => any(own).reset(mark),
    'To end those since a mark, write rewindNow(mark)': () => any(own).resetNow(mark),
  }
  refuses(t, calls, 'ERR_INVALID_ARG_VALUE')
  t.deepEqual([block.freed, other.freed, region.freed], [false, false, false])
})

// Handles in the place of bytes

/** Whatever has bytes and is no array. */
const HANDLES: Record<string, () => any> = {
  NativeBuffer: () => malloc(8, 1, 'AB'),
  Region: () => arena.malloc(8, 1, 'AB'),
  PlainBuffer: () => arrayBufferAllocator.malloc(8, 1, 'AB'),
  MemManager: () => new MemManager(8, 1, { init: 'AB' }),
}

/** What does not share memory, and has no bytes. */
const OWNERS: Record<string, () => any> = { Pool: pool, Arena: () => new Arena() }

for (const [name, make] of Object.entries(HANDLES)) {
  test(`a ${name} is no array: whoever takes it for one is told where its bytes are`, (t) => {
    const handle = make()
    const uses: Record<string, Call> = {
      'new Float64Array': () => new Float64Array(handle),
      'Uint8Array.from': () => Uint8Array.from(handle),
      'Array.from': () => Array.from(handle),
      set: () => new Uint8Array(20).set(handle),
      slice: () => Array.prototype.slice.call(handle),
      length: () => handle.length,
      'an element that is set': () => (handle[0] = 1),
      'a later one': () => (handle[4_294_967_296] = 1),
      'its length that is set': () => (handle.length = 1),
    }
    for (const [use, call] of Object.entries(uses)) {
      const message = /is no array, and has no (length|element \d+)\. Its bytes are \w+\.(bytes|createView)/
      t.throws(call, { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE', message }, use)
    }
    t.throws(() => [...handle], { instanceOf: TypeError })
    for (const key of ['label', '-1', '01', '1.5', 'NaN']) {
      t.is(handle[key], undefined)
      handle[key] = 'mine'
      t.is(handle[key], 'mine', 'a property of the program’s own')
    }
    t.false('0' in handle)
    t.is(`${handle}`, `[object ${name}]`)
  })

  test(`JSON shows a ${name} without its bytes, and says how to get them`, (t) => {
    const text = JSON.stringify({ secret: make() })
    t.regex(text, new RegExp(`^{"secret":"\\[${name}: its bytes are not in JSON\\. Buffer\\.from\\(`))
    const freed = make()
    freed[Symbol.dispose]?.()
    t.notThrows(() => JSON.stringify(freed))
  })
}

test('Buffer.from copies the bytes of a handle', (t) => {
  for (const name of ['NativeBuffer', 'Region', 'PlainBuffer']) {
    const handle = HANDLES[name]!()
    const copy = Buffer.from(handle)
    t.is(copy.toString(), 'ABABABAB', name)
    copy[0] = 0
    t.is(handle.bytes[0], 65, name)
  }
  t.throws(() => Buffer.from(any(manager())), { instanceOf: TypeError })
  const gone = malloc(8)
  gone.free()
  t.throws(() => Buffer.from(any(gone)), { code: 'ERR_CMALLOC_FREED' })
})

for (const [name, make] of Object.entries({ ...HANDLES, ...OWNERS })) {
  test(`a ${name} cannot be cloned or posted, and the error says what to do`, (t) => {
    const { port1, port2 } = new MessageChannel()
    const message = new RegExp(`To send an? ${name}, `)
    const value = make()
    for (const clone of [() => structuredClone(value), () => port1.postMessage({ deep: [value] })]) {
      // Ava takes a DOMException for no error.
      t.regex(messageOf(clone), message)
    }
    port1.close()
    port2.close()
  })

  test(`what inspects a ${name} throws nothing`, (t) => {
    const value = make()
    const { prototype } = value.constructor
    for (const it of [value, Object.create(prototype), prototype, Object.getPrototypeOf(prototype)]) {
      for (const options of [{}, { customInspect: false }, { customInspect: false, showHidden: true, getters: true }]) {
        t.is(typeof inspect(it, options), 'string')
      }
      t.is(typeof format('%s %d %i %f %j %o %O', it, it, it, it, it, it, it), 'string')
    }
    t.true(inspect(value).startsWith(name) || name === 'PlainBuffer')
  })
}

test('two of a kind are not deep-equal, and one is to itself', (t) => {
  const kinds = { ...HANDLES, ...OWNERS }
  // Those of one chunk are.
  kinds['Region'] = () => new Arena().malloc(8)
  for (const [name, make] of Object.entries(kinds)) {
    const [one, two] = [make(), make()]
    t.throws(() => assert.deepEqual(one, two), { name: 'AssertionError' }, name)
    t.false(isDeepStrictEqual({ one }, { one: two }), name)
    t.notDeepEqual(one, two, name)
    t.true(isDeepStrictEqual({ one }, { one }), name)
    t.notThrows(() => assert.deepEqual(one, one), name)
  }
})

test('a handle that is gone is not deep-equal to the next one, which has its cell', (t) => {
  const first = malloc(8)
  first.free()
  t.false(isDeepStrictEqual(first, malloc(8)))
  const moved = malloc(8)
  const next = consume(moved, 16)
  t.false(isDeepStrictEqual(moved, next))
  const resized = next.resize(100)
  t.false(isDeepStrictEqual(resized, malloc(8)))
  const pinned = malloc(8)
  const pin = pinned.pin()
  t.throws(() => pinned.free(), { code: 'ERR_CMALLOC_PINNED' })
  t.false(isDeepStrictEqual(pinned, first))
  pin.unpin()
})

// What the types catch. It is not run.

export function typed(block: NativeBuffer, blocks: NativeBuffer[], bytes: Uint8Array): void {
  // @ts-expect-error -- an unknown option
  malloc(8, 1, 0, { algn: 4096 })
  // @ts-expect-error -- options in the place of the size
  malloc(8, { align: 4096 })
  // @ts-expect-error -- an init in the place of the size
  malloc(8, 'zero')
  // @ts-expect-error -- options in the place of the init
  malloc(8, 1, { align: 4096 })
  // @ts-expect-error -- a surplus argument
  malloc(8, 1, 0, {}, 1)
  // @ts-expect-error -- a pool has them
  pool().malloc(8, 1, 0, { align: 4096 })
  // @ts-expect-error -- free takes one
  free(block, block)
  // @ts-expect-error -- it frees itself
  block.free(block)
  // @ts-expect-error -- Buffer.from has offsets
  NativeBuffer.from(bytes, 8)
  // @ts-expect-error -- a handle is no array
  new Float64Array(block).fill(0)
  // @ts-expect-error -- nor has it elements
  block[0] = 1
  // @ts-expect-error -- nor a length
  String(block.length)
  // @ts-expect-error -- it has bytes
  bytes.set(block)
  blocks.forEach(free)
  blocks.map(handOver).map(takeOver)
}
