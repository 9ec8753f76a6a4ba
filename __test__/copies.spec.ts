import test from 'ava'
import { externalBytes } from 'cmalloc/native'
import { malloc, NativeBuffer, type Init } from 'cmalloc'
import { everythingIsGivenBack } from './support/memory.js'

everythingIsGivenBack()

const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }
const block = (init: Init = 'ABCDEFGH'): NativeBuffer => malloc(8, 1, init)
const text = (from: NativeBuffer): string => Buffer.from(from.bytes).toString()

test.serial('write copies the bytes of any view or buffer into a block', (t) => {
  const shared = new SharedArrayBuffer(2)
  new Uint8Array(shared).set([120, 121])
  const sources: [from: ArrayBufferView | ArrayBufferLike, bytes: string][] = [
    [Buffer.from('xy'), 'xy'],
    [new Uint8Array([120]), 'x'],
    [new Uint16Array([0x7978]), 'xy'],
    [new DataView(Uint8Array.from([1, 120, 121]).buffer, 1, 2), 'xy'],
    [Uint8Array.from([120, 121]).buffer, 'xy'],
    [shared, 'xy'],
    [new Uint8Array(shared, 1), 'y'],
    [Buffer.from('12345678'), '12345678'],
    [new Uint8Array(0), ''],
  ]
  for (const [from, bytes] of sources) {
    for (const start of [undefined, 0, 8 - bytes.length]) {
      const to = block()
      t.is(to.write(from, start), to)
      t.is(text(to), start ? 'ABCDEFGH'.slice(0, start) + bytes : bytes + 'ABCDEFGH'.slice(bytes.length))
      to.free()
    }
  }
})

test.serial('read fills any view with the bytes of a block', (t) => {
  const from = block()
  t.deepEqual(from.read(new Uint8Array(3)), Uint8Array.from([65, 66, 67]))
  t.is(from.read(Buffer.alloc(2), 6).toString(), 'GH')
  t.is(from.read(new Uint16Array(1), 1)[0], 0x4342)
  t.is(from.read(new DataView(new ArrayBuffer(2)), 2).getUint8(1), 68)
  t.is(from.read(new Uint8Array(new SharedArrayBuffer(8)))[7], 72)
  t.is(from.read(new Uint8Array(0), 8).length, 0)
  const part = new Uint8Array(4)
  t.is(from.read(part.subarray(1, 3), 4).byteOffset, 1)
  t.deepEqual([...part], [0, 69, 70, 0])
  from.free()
})

test.serial('a number that was written is read as it was', (t) => {
  const struct = malloc(3, 8)
  struct.write(new Float64Array([Math.PI, Math.E])).write(new BigInt64Array([-5n]), 16)
  t.deepEqual([...struct.read(new Float64Array(2))], [Math.PI, Math.E])
  t.deepEqual([...struct.read(new BigInt64Array(1), 16)], [-5n])
  struct.free()
})

test.serial('a block can be read into itself and written from itself', (t) => {
  const one = block()
  one.write(one.bytes.subarray(0, 6), 2)
  t.is(text(one), 'ABABCDEF')
  one.read(one.bytes.subarray(0, 4), 4)
  t.is(text(one), 'CDEFCDEF')
  one.free()
})

test.serial('no read and no write makes an ArrayBuffer over the block', (t) => {
  const large = malloc(2 ** 24)
  const before = externalBytes()
  large.write(new Uint8Array(9), 3)
  large.read(new Uint8Array(9), 3)
  NativeBuffer.from(new Uint8Array(9)).free()
  // V8 counts an ArrayBuffer's bytes, and cmalloc those of a block without one.
  t.true(Math.abs(externalBytes() - before) < 2 ** 20)
  large.free()
})

test.serial('what does not fit is refused, and changes nothing', (t) => {
  const one = block()
  for (const [length, start] of [
    [9, 0],
    [1, 8],
    [8, 1],
  ] as const) {
    const bytes = new Uint8Array(length)
    t.throws(() => one.write(bytes, start), { ...OUT_OF_RANGE, message: /length of from .* at most the \d bytes/ })
    t.throws(() => one.read(bytes, start), { ...OUT_OF_RANGE, message: /length of into .* at most the \d bytes/ })
  }
  for (const start of [-1, 0.5, NaN, 9, Infinity]) {
    t.throws(() => one.write(new Uint8Array(1), start), OUT_OF_RANGE)
    t.throws(() => one.read(new Uint8Array(1), start), OUT_OF_RANGE)
  }
  t.is(text(one), 'ABCDEFGH')
  one.free()
})

test.serial('wrong arguments are refused, and the error says what to write', (t) => {
  const one = block()
  const wrong = one as unknown as { read(...given: unknown[]): void; write(...given: unknown[]): void }
  t.throws(() => wrong.write('text'), { ...WRONG_TYPE, message: /Buffer\.from\(text\)/ })
  t.throws(() => wrong.write(one), { ...WRONG_TYPE, message: /block\.bytes/ })
  for (const value of [undefined, null, 1, {}, [1]]) {
    t.throws(() => wrong.write(value), WRONG_TYPE)
    t.throws(() => wrong.read(value), WRONG_TYPE)
  }
  t.throws(() => wrong.read(new ArrayBuffer(8)), { ...WRONG_TYPE, message: /into must be a typed array/ })
  for (const start of [null, '1', 1n, {}]) {
    t.throws(() => wrong.write(new Uint8Array(1), start), WRONG_TYPE)
    t.throws(() => wrong.read(new Uint8Array(1), start), WRONG_TYPE)
  }
  t.is(text(one), 'ABCDEFGH')
  one.free()
  t.throws(() => one.read(new Uint8Array(1)), { code: 'ERR_CMALLOC_FREED' })
  t.throws(() => one.write(new Uint8Array(1)), { code: 'ERR_CMALLOC_FREED' })
})
