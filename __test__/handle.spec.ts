// `fill` copies its pattern.
// oxlint-disable unicorn/no-array-fill-with-reference-type
import { inspect } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { consume, free, getBufferAddress, malloc, NativeBuffer, stats, type ViewConstructor } from 'cmalloc'
import { Slot } from 'cmalloc/native'
import { runFixture } from './support/run.js'
import { untilNothingIsInUse } from './support/memory.js'

test.before(untilNothingIsInUse)

type AnyView = ViewConstructor<ArrayBufferView>

const TYPED_ARRAYS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
]

/** Handles whose block is gone, by every way out. */
function goneHandles(): Record<string, NativeBuffer> {
  const handles = Array.from({ length: 5 }, () => malloc(16)) as [NativeBuffer, ...NativeBuffer[]]
  const [freed, freedByFunction, disposed, released, moved] = handles as NativeBuffer[] & { length: 5 }
  freed!.free()
  free(freedByFunction!)
  disposed![Symbol.dispose]()
  consume({ address: released!.release() }, 16).free()
  consume(moved!, 32).free()
  return { freed: freed!, freedByFunction: freedByFunction!, disposed: disposed!, released: released!, moved: moved! }
}

const USES: Record<string, (handle: NativeBuffer) => unknown> = {
  address: (handle) => handle.address,
  buffer: (handle) => handle.buffer,
  bytes: (handle) => handle.bytes,
  view: (handle) => handle.view(DataView),
  fill: (handle) => handle.fill(0),
  slice: (handle) => handle.slice(),
  resize: (handle) => handle.resize(8),
  residentBytes: (handle) => handle.residentBytes(),
  release: (handle) => handle.release(),
  free: (handle) => handle.free(),
  'the function free': free,
  getBufferAddress,
  consume: (handle) => consume(handle, 8),
}

const textOf = (handle: NativeBuffer): string => Buffer.from(handle.bytes).toString('latin1')

function outOfRange(t: ExecutionContext, call: () => unknown, title?: string): void {
  t.throws(call, { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' }, title)
}

function invalidType(t: ExecutionContext, call: () => unknown, title?: string): void {
  t.throws(call, { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' }, title)
}

test('handles are not made by their constructor', (t) => {
  const Constructor = NativeBuffer as unknown as new (...args: unknown[]) => NativeBuffer
  const makers = [
    () => new Constructor(),
    () => new Constructor(Symbol('cmalloc'), {}, 8),
    () => new Constructor(undefined, { slot: new Slot(), key: 0, address: 0 }, 8),
    () => new (class extends Constructor {})(),
    () => Reflect.construct(Constructor, [], Object),
  ]
  for (const make of makers) t.throws(make, { instanceOf: TypeError, code: 'ERR_ILLEGAL_CONSTRUCTOR' })
  t.throws(() => (NativeBuffer as unknown as () => void)(), { instanceOf: TypeError })
})

test('the symbol that makes handles cannot be caught by a subclass', (t) => {
  const caught: unknown[] = []
  class Sub extends (NativeBuffer as unknown as new (...args: unknown[]) => NativeBuffer) {
    constructor(...args: unknown[]) {
      caught.push(...args)
      super(...args)
    }
  }
  const made = (Sub as unknown as typeof NativeBuffer).from(new Uint8Array(4))
  t.false(made instanceof Sub)
  t.deepEqual(caught, [])
  made.free()
})

test('what never throws on a freed handle does not', (t) => {
  for (const [way, handle] of Object.entries(goneHandles())) {
    t.true(handle.freed, way)
    t.is(handle.byteLength, 0, way)
    t.is(inspect(handle), 'NativeBuffer { freed: true }', way)
    t.notThrows(() => handle[Symbol.dispose](), way)
  }
})

for (const [name, use] of Object.entries(USES)) {
  test(`${name} of a freed handle throws ERR_CMALLOC_FREED`, (t) => {
    for (const [way, handle] of Object.entries(goneHandles())) {
      t.throws(
        () => use(handle),
        { instanceOf: Error, code: 'ERR_CMALLOC_FREED', message: /^Cannot .+ was freed/s },
        way,
      )
    }
  })
}

test('inspect shows address and length', (t) => {
  using handle = malloc(16)
  t.is(inspect(handle), `NativeBuffer { address: 0x${handle.address.toString(16)}, byteLength: 16 }`)
  t.is(inspect({ handle }), `{\n  handle: ${inspect(handle)}\n}`.replace(/\s+/g, ' '))
})

test('inspect never throws, whatever the object', (t) => {
  t.notThrows(() => inspect(NativeBuffer.prototype))
  t.notThrows(() => inspect(Object.create(NativeBuffer.prototype)))
  t.notThrows(() => inspect(new Proxy(malloc(8), {}), { showProxy: false }))
  t.notThrows(() => inspect(NativeBuffer))
})

test('the buffer is the same object until free or resize', (t) => {
  const handle = malloc(16, 1, 1)
  const { buffer, bytes } = handle
  t.is(handle.buffer, buffer)
  t.is(handle.bytes, bytes)
  t.is(bytes.buffer, buffer)
  t.is(handle.view(DataView).buffer, buffer)
  t.is(buffer.byteLength, 16)
  handle.fill(2)
  handle.slice().free()
  t.is(handle.buffer, buffer)
  t.is(bytes[15], 2)
  handle.resize(32)
  t.is(bytes.length, 0)
  t.is(buffer.byteLength, 0)
  const resized = handle.buffer
  t.not(resized, buffer)
  t.is(handle.bytes.length, 32)
  handle.free()
  t.is(resized.byteLength, 0)
})

test('views and C see the same bytes', (t) => {
  using handle = malloc(16, 1, 'zero')
  handle.view(Uint32Array)[1] = 0x01020304
  handle.view(DataView).setUint8(15, 9)
  t.deepEqual([...handle.bytes], [0, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 9])
  // A second address of the same bytes: what another owner reads.
  const address = handle.address
  using copy = handle.slice()
  t.not(copy.address, address)
  t.deepEqual([...copy.bytes], [...handle.bytes])
})

for (const type of TYPED_ARRAYS) {
  const size = type.BYTES_PER_ELEMENT

  test(`view makes a ${type.name}`, (t) => {
    using handle = malloc(8 * size, 1, 'zero')
    const view = (offset?: number, length?: number) => handle.view(type as AnyView, offset, length) as Uint8Array
    t.true(view() instanceof type)
    t.is(view().length, 8)
    t.is(view(size).length, 7)
    t.is(view(size, 3).length, 3)
    t.is(view(size, 3).byteOffset, size)
    t.is(view(8 * size).length, 0)
    t.is(view(0, 0).length, 0)
    t.is(view(undefined, 2).length, 2)
    for (const offset of [-1, 0.5, NaN, Infinity, -size, 8 * size + size, 2 ** 53]) {
      outOfRange(t, () => view(offset), `offset ${offset}`)
    }
    if (size > 1) outOfRange(t, () => view(1), 'misaligned')
    for (const length of [-1, 0.5, NaN, Infinity, 9, 2 ** 53]) outOfRange(t, () => view(0, length), `length ${length}`)
    outOfRange(t, () => view(size, 8), 'overlong behind an offset')
    for (const junk of ['0', null, 1n, {}]) {
      invalidType(t, () => view(junk as never))
      invalidType(t, () => view(0, junk as never))
    }
  })

  if (size > 1) {
    test(`view makes no ${type.name} of half an element`, (t) => {
      using handle = malloc(8 * size + 1)
      outOfRange(t, () => handle.view(type as AnyView))
      outOfRange(t, () => handle.view(type as AnyView, size))
      t.is((handle.view(type as AnyView, 0, 8) as Uint8Array).length, 8)
    })
  }
}

test('view makes a DataView and a Buffer at any offset', (t) => {
  using handle = malloc(11, 1, 'hello world')
  t.is(handle.view(DataView, 1).byteLength, 10)
  t.is(handle.view(DataView, 1, 3).byteLength, 3)
  t.is(handle.view(DataView, 6).getUint8(0), 'w'.charCodeAt(0))
  t.is(handle.view(Buffer as unknown as ViewConstructor<Buffer>).toString(), 'hello world')
  const buffer = handle.view(Buffer as unknown as ViewConstructor<Buffer>, 6, 3)
  t.true(Buffer.isBuffer(buffer))
  t.is(buffer.toString(), 'wor')
  t.is(buffer.buffer, handle.buffer)
  buffer.write('xyz')
  t.is(textOf(handle), 'hello xyzld')
  for (const type of [DataView, Buffer] as unknown as AnyView[]) {
    outOfRange(t, () => handle.view(type, 12))
    outOfRange(t, () => handle.view(type, 0, 12))
    outOfRange(t, () => handle.view(type, 6, 6))
    outOfRange(t, () => handle.view(type, 0.5))
    outOfRange(t, () => handle.view(type, 0, -1))
  }
})

test('view wants a constructor', (t) => {
  using handle = malloc(8)
  for (const junk of [undefined, null, 5, 'Uint8Array', {}, new Uint8Array(1)])
    invalidType(t, () => handle.view(junk as never))
  t.throws(() => handle.view((() => 1) as never), { instanceOf: TypeError })
})

test('view makes subclasses', (t) => {
  class Sub extends Uint8Array<ArrayBuffer> {
    sum(): number {
      return this.reduce((sum, byte) => sum + byte, 0)
    }
  }
  using handle = malloc(8, 1, 3)
  t.is(handle.view(Sub, 2, 4).sum(), 12)
})

test('fill fills a range', (t) => {
  using handle = malloc(10, 1, '.')
  t.is(handle.fill('ab', 2, 7), handle)
  t.is(textOf(handle), '..ababa...')
  t.is(textOf(handle.fill('zero', 8)), '..ababa.\0\0')
  t.is(textOf(handle.fill(33, undefined, 1)), '!.ababa.\0\0')
  t.is(textOf(handle.fill(new Uint8Array([120, 121]), 9)), '!.ababa.\0x')
  t.is(textOf(handle.fill('q', 4, 4)), '!.ababa.\0x', 'an empty range')
  t.is(textOf(handle.fill('q', 10)), '!.ababa.\0x', 'an empty range at the end')
  t.is(textOf(handle.fill(handle.bytes.subarray(2, 4), 0)), 'ababababab', 'a part of itself')
})

test('fill refuses ranges that are none, and junk', (t) => {
  using handle = malloc(10, 1, '.')
  for (const [start, end] of [[-1], [11], [0, 11], [0, -1], [5, 4], [0.5], [0, 1.5], [NaN], [0, NaN], [0, Infinity]]) {
    outOfRange(t, () => handle.fill(1, start, end), `${start} to ${end}`)
  }
  for (const junk of ['1', null, 1n, {}]) {
    invalidType(t, () => handle.fill(1, junk as never))
    invalidType(t, () => handle.fill(1, 0, junk as never))
  }
  for (const init of [
    undefined,
    null,
    {},
    [],
    true,
    1n,
    new Uint16Array(2),
    new ArrayBuffer(2),
    new DataView(new ArrayBuffer(2)),
  ]) {
    invalidType(t, () => handle.fill(init as never))
  }
  for (const byte of [-1, 256, 0.5, NaN]) outOfRange(t, () => handle.fill(byte))
  for (const empty of ['', new Uint8Array(0)]) t.throws(() => handle.fill(empty), { code: 'ERR_INVALID_ARG_VALUE' })
  t.is(textOf(handle), '..........')
})

test('slice copies a part, as typed arrays do', (t) => {
  using handle = malloc(10, 1, new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
  for (const range of [
    [],
    [3],
    [3, 7],
    [-3],
    [-3, -1],
    [2, -2],
    [-100, 100],
    [0, 1],
    [undefined, 4],
    [-0, 2],
  ] as number[][]) {
    using slice = handle.slice(...range)
    t.deepEqual(Array.from(slice.bytes), Array.from(handle.bytes.slice(...range)), `${range}`)
    t.is(slice.byteLength, slice.bytes.length)
    t.not(slice.address, handle.address)
  }
  using slice = handle.slice()
  slice.fill(0)
  t.is(handle.bytes[9], 9, 'a slice is a copy')
  t.is(handle.slice(2, 5).slice(1).slice(-1).bytes[0], 4)
})

test('slice refuses what is empty, and junk', (t) => {
  using handle = malloc(10)
  const before = stats().allocations
  for (const [start, end] of [
    [10],
    [100],
    [5, 5],
    [5, 4],
    [0, 0],
    [0, -10],
    [-1, -1],
    [-1, -5],
    [100, 200],
    [-200, -100],
  ]) {
    outOfRange(t, () => handle.slice(start, end), `${start} to ${end}`)
  }
  for (const index of [0.5, NaN, Infinity, -Infinity]) {
    outOfRange(t, () => handle.slice(index))
    outOfRange(t, () => handle.slice(0, index))
  }
  for (const junk of ['1', null, 1n, {}]) {
    invalidType(t, () => handle.slice(junk as never))
    invalidType(t, () => handle.slice(0, junk as never))
  }
  t.is(stats().allocations, before)
})

test('from copies every kind of view and buffer', (t) => {
  const bytes = Uint8Array.from({ length: 32 }, (_, index) => index)
  const shared = new SharedArrayBuffer(32)
  new Uint8Array(shared).set(bytes)
  for (const type of [...TYPED_ARRAYS, DataView] as unknown as AnyView[]) {
    using whole = NativeBuffer.from(new type(bytes.buffer))
    t.deepEqual([...whole.bytes], [...bytes], type.name)
    using part = NativeBuffer.from(new type(bytes.buffer, 8, 1))
    t.deepEqual([...part.bytes], [...bytes].slice(8, 8 + part.byteLength), type.name)
    using ofShared = NativeBuffer.from(new type(shared as never, 16))
    t.deepEqual([...ofShared.bytes], [...bytes].slice(16), type.name)
  }
  for (const data of [bytes.buffer, shared]) {
    using copy = NativeBuffer.from(data)
    t.deepEqual([...copy.bytes], [...bytes])
  }
  using ofBuffer = NativeBuffer.from(Buffer.from('hello world').subarray(6))
  t.is(textOf(ofBuffer), 'world')
  using ofHandle = NativeBuffer.from(ofBuffer.bytes)
  t.is(textOf(ofHandle), 'world')
  t.not(ofHandle.address, ofBuffer.address)
  bytes.fill(0)
  t.is(textOf(ofBuffer), 'world', 'a copy')
})

test('from copies resizable and growable buffers as long as they are', (t) => {
  const Resizable = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => ArrayBuffer
  const Growable = SharedArrayBuffer as unknown as new (
    length: number,
    options: { maxByteLength: number },
  ) => SharedArrayBuffer
  for (const buffer of [new Resizable(8, { maxByteLength: 64 }), new Growable(8, { maxByteLength: 64 })]) {
    const view = new Uint8Array(buffer).fill(7)
    using copy = NativeBuffer.from(buffer)
    t.deepEqual([...copy.bytes], [...view])
    using ofView = NativeBuffer.from(view)
    t.deepEqual([...ofView.bytes], [...view])
  }
})

test('from refuses what has no bytes', (t) => {
  const views = [new Uint8Array(0), new DataView(new ArrayBuffer(8), 8), Buffer.alloc(0)]
  for (const empty of [...views, new ArrayBuffer(0), new SharedArrayBuffer(0)]) {
    outOfRange(t, () => NativeBuffer.from(empty))
  }
})

test('from refuses a detached ArrayBuffer', (t) => {
  const handle = malloc(8)
  const { buffer } = handle
  handle.free()
  const error = t.throws(() => NativeBuffer.from(buffer)) as NodeJS.ErrnoException
  t.regex(error.code ?? '', /^ERR_(OUT_OF_RANGE|INVALID_ARG_TYPE)$/)
})

test('from refuses a detached view, which is an empty one', (t) => {
  const handle = malloc(8)
  const { bytes } = handle
  handle.free()
  outOfRange(t, () => NativeBuffer.from(bytes))
})

test('from refuses symbols and bigints', (t) => {
  for (const junk of [Symbol('x'), 5n]) invalidType(t, () => NativeBuffer.from(junk as never))
})

test('from refuses what is no buffer', (t) => {
  const before = stats().allocations
  for (const junk of [
    undefined,
    null,
    5,
    0,
    '7',
    'abc',
    true,
    {},
    [1, 2, 3],
    { length: 3 },
    new Set([1]),
    () => 1,
    malloc(8),
  ]) {
    invalidType(t, () => NativeBuffer.from(junk as never), inspect(junk))
  }
  t.is(stats().allocations, before + 1)
})

test('from copies the bytes that a view has, whatever it says', (t) => {
  class Liar extends Uint8Array {
    override get byteLength(): number {
      return 1000
    }
    override get byteOffset(): number {
      return 3
    }
  }
  using copy = NativeBuffer.from(new Liar([1, 2, 3]))
  t.deepEqual([...copy.bytes], [1, 2, 3])
})

test('resize keeps the contents and fills the new bytes', (t) => {
  using handle = malloc(4, 1, 'abcd')
  t.is(handle.resize(10, 'xyz'), handle)
  t.is(textOf(handle), 'abcdxyzxyz')
  t.is(handle.byteLength, 10)
  t.is(textOf(handle.resize(6)), 'abcdxy')
  t.is(textOf(handle.resize(6, '!')), 'abcdxy', 'no new bytes')
  t.is(textOf(handle.resize(2, '!')), 'ab', 'a smaller block has no new bytes')
  t.is(textOf(handle.resize(4, 'zero')), 'ab\0\0')
  t.is(textOf(handle.resize(6, 65)), 'ab\0\0AA')
  handle.resize(1_000_000, 7)
  t.is(handle.residentBytes(), 1_000_000)
  t.is(textOf(handle.slice(0, 6)), 'ab\0\0AA')
  t.true(handle.bytes.subarray(6).every((byte) => byte === 7))
  t.is(getBufferAddress(handle), handle.address)
})

test('a refused resize changes nothing', (t) => {
  using handle = malloc(4, 1, 'abcd')
  const { buffer, address } = handle
  for (const length of [0, -1, 0.5, NaN, Infinity, 2 ** 53]) outOfRange(t, () => handle.resize(length))
  for (const junk of ['8', undefined, null, 8n, {}]) invalidType(t, () => handle.resize(junk as never))
  for (const init of [null, {}, true]) invalidType(t, () => handle.resize(8, init as never))
  for (const init of [-1, 256]) outOfRange(t, () => handle.resize(8, init))
  t.throws(() => handle.resize(8, ''), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => handle.resize(Number.MAX_SAFE_INTEGER), { instanceOf: RangeError, code: 'ERR_CMALLOC_OUT_OF_MEMORY' })
  t.is(handle.byteLength, 4)
  t.is(handle.address, address)
  t.is(textOf(handle), 'abcd')
  t.is(handle.bytes.buffer.byteLength, buffer.byteLength || 4)
})

test('residentBytes is the length of the block', (t) => {
  for (const length of [1, 4095, 4096, 4097, 1_000_000, 10_000_001]) {
    using handle = malloc(length)
    t.is(handle.residentBytes(), length)
  }
})

test('members refuse foreign receivers', (t) => {
  using handle = malloc(8)
  const receivers = [
    {},
    null,
    undefined,
    5,
    () => 1,
    new Slot(),
    NativeBuffer.prototype,
    Object.create(NativeBuffer.prototype),
    Object.create(handle),
    new Proxy(handle, {}),
  ]
  const descriptors = Object.getOwnPropertyDescriptors(NativeBuffer.prototype)
  for (const [name, { get, value }] of Object.entries(descriptors)) {
    if (name === 'constructor') continue
    const member = (get ?? value) as (...args: unknown[]) => unknown
    for (const receiver of receivers) {
      t.throws(() => Reflect.apply(member, receiver, [Uint8Array]), { instanceOf: TypeError }, name)
      t.throws(() => Reflect.apply(member, receiver, [8]), { instanceOf: TypeError }, name)
    }
  }
  for (const receiver of receivers) {
    t.throws(() => NativeBuffer.prototype[Symbol.dispose].call(receiver as never), { instanceOf: TypeError })
    invalidType(t, () => free(receiver as never))
    invalidType(t, () => getBufferAddress(receiver as never))
  }
  t.is(handle.byteLength, 8)
})

test('a handle stays one whatever becomes of its prototype', (t) => {
  const handle = Object.setPrototypeOf(malloc(8), null) as NativeBuffer
  const before = stats().explicitFrees
  free(handle)
  t.throws(() => free(handle), { code: 'ERR_CMALLOC_FREED' })
  t.is(stats().explicitFrees, before + 1)
})

test('a frozen handle works like others', (t) => {
  const handle = Object.freeze(malloc(8, 1, 'abcdefgh'))
  t.is(textOf(handle.resize(4)), 'abcd')
  handle.free()
  t.true(handle.freed)
})

test('a constructor that frees the handle gets an empty view', (t) => {
  const handle = malloc(16)
  class Freeing extends Uint8Array<ArrayBuffer> {
    constructor(buffer: ArrayBuffer, byteOffset?: number, length?: number) {
      super(buffer, byteOffset, length)
      handle.free()
    }
  }
  t.is(handle.view(Freeing).length, 0)
  t.true(handle.freed)
})

test('a constructor that frees the handle first gets no view', (t) => {
  const handle = malloc(16)
  class Freeing extends Uint8Array<ArrayBuffer> {
    constructor(buffer: ArrayBuffer, byteOffset?: number, length?: number) {
      handle.free()
      super(buffer, byteOffset, length)
    }
  }
  t.throws(() => handle.view(Freeing), { instanceOf: TypeError })
  t.true(handle.freed)
})

test('a constructor that resizes the handle gets no view of the old block', (t) => {
  using handle = malloc(16)
  class Resizing extends Uint8Array<ArrayBuffer> {
    constructor(buffer: ArrayBuffer, byteOffset?: number, length?: number) {
      super(buffer, byteOffset, length)
      handle.resize(100_000, 1)
    }
  }
  t.is(handle.view(Resizing).length, 0)
  t.is(handle.bytes.length, 100_000)
})

test('an element size that frees the handle as it is read', (t) => {
  const handle = malloc(16)
  class Freeing extends Uint8Array<ArrayBuffer> {
    static override get BYTES_PER_ELEMENT(): 1 {
      handle[Symbol.dispose]()
      return 1
    }
  }
  t.throws(() => handle.view(Freeing as unknown as AnyView), { code: 'ERR_CMALLOC_FREED' })
})

test('an element size that resizes the handle as it is read', (t) => {
  using handle = malloc(100_000)
  class Shrinking extends Uint8Array<ArrayBuffer> {
    static override get BYTES_PER_ELEMENT(): 1 {
      handle.resize(10)
      return 1
    }
  }
  t.is((handle.view(Shrinking as unknown as AnyView) as Shrinking).length, 10)
  outOfRange(t, () => handle.view(Shrinking as unknown as AnyView, 11))
})

test('element sizes that make no sense', (t) => {
  using handle = malloc(16)
  for (const size of [0, -1, NaN, Infinity, 0.5, 3.5, 'x', {}, null, 1e300]) {
    class Odd extends Uint8Array<ArrayBuffer> {
      static override get BYTES_PER_ELEMENT(): 1 {
        return size as 1
      }
    }
    try {
      t.true((handle.view(Odd as unknown as AnyView) as Odd).length <= 16)
    } catch (error) {
      t.is((error as { code: unknown }).code, 'ERR_OUT_OF_RANGE')
    }
  }
})

for (const [what, act] of Object.entries<(handle: NativeBuffer) => void>({
  frees: (handle) => handle[Symbol.dispose](),
  shrinks: (handle) => void (handle.freed || handle.resize(1)),
  grows: (handle) => void (handle.freed || handle.resize(100_000)),
})) {
  test(`an init that ${what} the handle as its length is read`, (t) => {
    const use = (call: (handle: NativeBuffer, init: Uint8Array) => unknown) => {
      const handle = malloc(1000, 1, 1)
      class Evil extends Uint8Array {
        override get byteLength(): number {
          act(handle)
          return super.byteLength
        }
      }
      try {
        call(handle, new Evil([1, 2, 3]))
      } catch (error) {
        t.regex(String((error as { code: unknown }).code), /^ERR_(CMALLOC_FREED|OUT_OF_RANGE)$/)
      }
      handle[Symbol.dispose]()
    }
    const before = stats().liveBlocks
    use((handle, init) => handle.fill(init))
    use((handle, init) => handle.fill(init, 900, 1000))
    use((handle, init) => handle.resize(2000, init))
    use((handle, init) => handle.resize(10, init))
    use((_, init) => malloc(10, 1, init).free())
    t.is(stats().liveBlocks, before)
  })
}

test('an init that says it is longer than it is', (t) => {
  class Liar extends Uint8Array {
    override get byteLength(): number {
      return 100
    }
  }
  using handle = malloc(8, 1, 1)
  t.throws(() => handle.fill(new Liar(0)), { code: 'ERR_INVALID_ARG_VALUE' })
  t.deepEqual([...handle.fill(new Liar([5, 6])).bytes], [5, 6, 5, 6, 5, 6, 5, 6])
})

test('a malloc that fails at its init leaves no block behind', (t) => {
  class Liar extends Uint8Array {
    override get byteLength(): number {
      return 100
    }
  }
  const before = stats().liveBlocks
  t.throws(() => malloc(8, 1, new Liar(0)), { code: 'ERR_INVALID_ARG_VALUE' })
  t.is(stats().liveBlocks, before)
})

test('callbacks of the language that free the handle are safe', (t) => {
  const act = (call: (handle: NativeBuffer, bytes: Uint8Array<ArrayBuffer>) => unknown) => {
    const handle = malloc(1000, 1, 5)
    try {
      call(handle, handle.bytes)
    } catch (error) {
      t.true(error instanceof TypeError || error instanceof RangeError)
    }
    t.true(handle.freed)
  }
  const once = (handle: NativeBuffer): number => {
    handle[Symbol.dispose]()
    return 1
  }
  act((handle, bytes) => bytes.sort((a, b) => once(handle) && a - b))
  act((handle, bytes) => bytes.map(() => once(handle)))
  act((handle, bytes) => bytes.fill({ valueOf: () => once(handle) } as never))
  act((handle, bytes) => bytes.copyWithin({ valueOf: () => once(handle) } as never, 5))
  act((handle, bytes) => bytes.set([1, 2, { valueOf: () => once(handle) } as never, 4]))
  act((handle, bytes) => Atomics.store(bytes, { valueOf: () => once(handle) } as never, 5))
  act((handle, bytes) => Array.from(bytes, () => once(handle)))
  act((handle, bytes) => bytes.subarray({ valueOf: () => once(handle) } as never))
})

test('what a program puts on a handle does not mislead free', (t) => {
  const handle = Object.assign(malloc(8), { extra: 1 })
  Object.defineProperty(handle, 'free', { value: () => t.fail('cmalloc has a free of its own') })
  free(handle)
  t.true(handle.freed)
})

test('what a program puts on a handle does not mislead getBufferAddress, inspect and dispose', (t) => {
  const handle = malloc(8)
  const { address } = handle
  Object.defineProperty(handle, 'address', { get: () => t.fail('the handle knows its address') })
  t.is(getBufferAddress(handle), address)
  t.is(inspect(handle), `NativeBuffer { address: 0x${address.toString(16)}, byteLength: 8 }`)
  Object.defineProperty(handle, 'free', { value: () => t.fail('the handle has a free of its own') })
  handle[Symbol.dispose]()
  t.true(handle.freed)
})

const TAMPERED = [
  ['Array.prototype', 'slice'],
  ['Array.prototype', 'indexOf'],
  ['ArrayBuffer', 'isView'],
  ['ArrayBuffer.prototype', 'slice'],
  ['Buffer', 'from'],
  ['Buffer', 'isBuffer'],
  ['Number', 'isInteger'],
  ['Number', 'isSafeInteger'],
  ['Object', 'defineProperty'],
  ['Object', 'freeze'],
  ['Reflect', 'apply'],
  ['Reflect', 'construct'],
  ['Reflect', 'getOwnPropertyDescriptor'],
  ['Function.prototype', 'apply'],
  ['Function.prototype', 'bind'],
  ['TypedArray', 'from'],
  ['TypedArray.prototype', 'length'],
  ['TypedArray.prototype', 'fill'],
  ['TypedArray.prototype', 'set'],
  ['TypedArray.prototype', 'slice'],
  ['TypedArray.prototype', 'subarray'],
  ['Uint8Array.prototype', 'constructor'],
  ['Array.prototype', 'pop'],
  ['Array.prototype', 'push'],
  ['Function.prototype', 'call'],
  ['Math', 'floor'],
  ['Math', 'max'],
  ['Object', 'assign'],
  ['TypedArray.prototype', 'buffer'],
  ['TypedArray.prototype', 'byteLength'],
  ['TypedArray.prototype', 'byteOffset'],
] as const

for (const [owner, member] of TAMPERED) {
  test.serial(`to tamper with ${owner}.${member} later changes nothing`, async (t) => {
    const outcome = await runFixture('native-tampered.js', [owner, member])
    t.deepEqual(outcome, { code: 0, signal: null, stdout: 'done\n', stderr: '' })
  })
}
