import { EventEmitter } from 'node:events'
import { read } from 'node:fs'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { consume, free, handOver, malloc, NativeBuffer, stats, type Pin } from 'cmalloc'
import { live, untilNothingIsInUse } from './support/memory.js'
import { nameOf, OTHER_RUNTIMES, RUNTIMES, runFixture, type Outcome } from './support/run.js'

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }

test.before(untilNothingIsInUse)

/** What cannot be done to a pinned handle, and how the error names it. */
const FORBIDDEN: Record<string, [operation: string, call: (handle: NativeBuffer) => unknown]> = {
  'its free()': ['free', (handle) => handle.free()],
  'free()': ['free', (handle) => free(handle)],
  'freeNow()': ['free', (handle) => handle.freeNow()],
  'resize()': ['resize', (handle) => handle.resize(100)],
  'resize() to what it is': ['resize', (handle) => handle.resize(64)],
  'release()': ['release', (handle) => handle.release()],
  'consume()': ['consume', (handle) => consume(handle, 64)],
  'handOver()': ['hand over', (handle) => handOver(handle)],
}

/** It throws, and changes nothing. */
function refused(t: ExecutionContext, handle: NativeBuffer, name: string): void {
  const [operation, call] = FORBIDDEN[name]!
  const before = [live(), stats().allocations, handle.address, handle.byteLength]
  const error = t.throws(() => call(handle), { instanceOf: Error, code: 'ERR_CMALLOC_PINNED' }, name)
  t.is(
    error?.message,
    `Cannot ${operation}: this NativeBuffer is pinned, as C code or I/O may be using its block. Call unpin() of its pins first`,
  )
  t.deepEqual([live(), stats().allocations, handle.address, handle.byteLength], before)
}

for (const name of Object.keys(FORBIDDEN)) {
  for (const viewed of [false, true]) {
    test.serial(`${name} of a pinned handle throws${viewed ? ', also with a view' : ''}`, (t) => {
      const before = live()
      const handle = malloc(64, 1, 'pinned')
      const view = viewed ? handle.bytes : undefined
      const pin = handle.pin()
      refused(t, handle, name)
      if (viewed) t.is(view?.length, 64, 'the view is what it was')
      t.is(handle.view(Buffer, 0, 6).toString(), 'pinned')
      pin.unpin()
      if (name.startsWith('resize')) handle.resize(100).free()
      else handle.free()
      t.deepEqual(live(), before)
    })
  }
}

test.serial('what leaves the block where it is works with a pin', (t) => {
  const handle = malloc(4, 1, 'abcd')
  const pin = handle.pin()
  t.is(handle.fill('x', 3).view(Buffer).toString(), 'abcx')
  using copy = handle.slice(1)
  t.is(copy.view(Buffer).toString(), 'bcx')
  t.false(copy.pinned, 'a copy is not pinned')
  t.is(handle.residentBytes(), 4)
  t.regex(inspect(handle), /^NativeBuffer \{ address: 0x[0-9a-f]+, byteLength: 4 \}$/)
  t.is(NativeBuffer.from(handle.bytes).byteLength, 4)
  pin.unpin()
  handle.free()
})

test.serial('pins nest: each counts, in any order', (t) => {
  const handle = malloc(64)
  t.false(handle.pinned)
  const pins = Array.from({ length: 5 }, () => handle.pin())
  t.is(new Set(pins).size, 5)
  for (const index of [2, 4, 0, 1]) {
    pins[index]!.unpin()
    t.true(handle.pinned)
    refused(t, handle, 'free()')
  }
  pins[3]!.unpin()
  t.false(handle.pinned)
  const again = handle.pin()
  t.true(handle.pinned, 'it can be pinned again')
  again.unpin()
  handle.free()
  t.false(handle.pinned)
})

test.serial('a pin that lets go twice lets go once', (t) => {
  const handle = malloc(64)
  const [first, second] = [handle.pin(), handle.pin()]
  const ends: ((pin: Pin) => void)[] = [(pin) => pin.unpin(), (pin) => pin[Symbol.dispose]()]
  for (const end of [...ends, ...ends]) t.notThrows(() => end(first))
  t.true(handle.pinned, 'the other pin still holds')
  refused(t, handle, 'free()')
  second[Symbol.dispose]()
  t.false(handle.pinned)
  handle.free()
  for (const end of ends) t.notThrows(() => end(second), 'also when the block is gone')
})

test.serial('the pins of one handle are none of another', (t) => {
  const [one, other] = [malloc(64), malloc(64)]
  const pin = one.pin()
  t.false(other.pinned)
  other.free()
  refused(t, one, 'its free()')
  pin.unpin()
  one.free()
})

test.serial('a pinned handle that is disposed is freed with its last pin', (t) => {
  const before = live()
  const handle = malloc(64, 1, 7)
  const view = handle.bytes
  const [first, second] = [handle.pin(), handle.pin()]
  handle[Symbol.dispose]()
  handle[Symbol.dispose]()
  t.deepEqual([handle.freed, handle.byteLength, view[63]], [false, 64, 7])
  refused(t, handle, 'free()')
  first.unpin()
  t.false(handle.freed)
  second.unpin()
  t.deepEqual([handle.freed, handle.byteLength, view.length], [true, 0, 0])
  t.deepEqual(live(), before)
  t.notThrows(() => handle[Symbol.dispose]())
})

test.serial('a handle that was not disposed is there when its pins are gone', (t) => {
  const handle = malloc(64, 1, 7)
  handle.pin().unpin()
  t.deepEqual([handle.freed, handle.bytes[63]], [false, 7])
  handle.free()
})

test.serial('a freed handle cannot be pinned', (t) => {
  const handle = malloc(64)
  handle.free()
  t.throws(() => handle.pin(), {
    instanceOf: Error,
    code: 'ERR_CMALLOC_FREED',
    message:
      /^Cannot pin: .* is gone\. It was freed, released, consumed or handed over before: CMALLOC_DEBUG=1 shows where$/,
  })
  t.false(handle.pinned)
})

test.serial('what a pin was taken from does not matter: only its own methods let go', (t) => {
  const handle = malloc(64)
  const pin = handle.pin()
  const { unpin } = pin
  t.throws(() => unpin.call({} as Pin), { instanceOf: TypeError })
  t.true(handle.pinned)
  unpin.call(pin)
  t.false(handle.pinned)
  handle.free()
})

for (const node of RUNTIMES) {
  const options = { node, flags: ['--expose-gc'] }

  test.serial(`a pinned handle is not collected, an unpinned one is, on ${nameOf(node)}`, async (t) => {
    t.deepEqual(await runFixture('pins-collect.js', [], options), CLEAN)
  })

  test.serial(`I/O in flight finds its block as long as a pin is held, on ${nameOf(node)}`, async (t) => {
    t.deepEqual(await runFixture('pins-io.js', [], options), CLEAN)
  })

  test.serial(`a program that changes prototypes changes nothing about pins, on ${nameOf(node)}`, async (t) => {
    t.deepEqual(await runFixture('pins-tampered.js', [], options), CLEAN)
  })
}

for (const node of RUNTIMES.filter((runtime) => runtime !== 20 && runtime !== 22)) {
  test.serial(`a pin is held to the end of the scope of a using declaration, on ${nameOf(node)}`, async (t) => {
    t.deepEqual(await runFixture('pins-using.js', [], { node }), CLEAN)
  })
}

for (const node of [...RUNTIMES, ...OTHER_RUNTIMES]) {
  test.serial(`a pin lets go with a promise or a stream, on ${nameOf(node)}`, async (t) => {
    t.deepEqual(await runFixture('pins-until.js', [], { node, flags: ['--expose-gc'] }), CLEAN)
  })
}

test('what is no promise and no stream is a type error', (t) => {
  // Only its types are looked at, as the tests are type-checked.
  const types = (handle: NativeBuffer): void => {
    const done: Promise<number> = handle.use(async (bytes) => bytes.length)
    const length: number = handle.use((bytes) => bytes.length)
    for (const until of [done, process.stdin, new ServerResponse(new IncomingMessage(new Socket())), new Socket()]) {
      handle.pin(until)
    }
    handle.pin(new ReadableStream())
    handle.pin(new WritableStream())
    // @ts-expect-error -- a number
    handle.pin(length)
    // @ts-expect-error -- a function
    handle.pin(() => {})
    // @ts-expect-error -- an object
    handle.pin({})
    // @ts-expect-error -- what says nothing of its end
    handle.pin(new EventEmitter())
    // @ts-expect-error -- what returns nothing: it wants a callback
    handle.pin(read(0, handle.bytes, () => {}))
    // @ts-expect-error -- no function
    handle.use(done)
  }
  t.is(typeof types, 'function')
})
