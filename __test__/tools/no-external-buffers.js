'use strict'
// Uses the whole API where the runtime makes no ArrayBuffer over foreign memory, as Electron does not. Everything that
// needs none works as ever; the rest says so.
const assert = require('node:assert')
const koffi = require('koffi')
require(process.env.NAPI_RS_NATIVE_LIBRARY_PATH).refuseExternalBuffers()
const { Arena } = require('cmalloc/arena')
const { MemManager } = require('cmalloc/mem-manager')
const { Pool } = require('cmalloc/pool')
const cmalloc = require('cmalloc')
const { consume, free, getBufferAddress, handOver, malloc, mallocAsync, NativeBuffer, stats, takeOver } = cmalloc

const refused = {
  name: 'Error',
  code: 'ERR_CMALLOC_NO_EXTERNAL_BUFFERS',
  message: /it allows no external memory\. Use its address/,
}

/** What a block holds, read by its address. */
const text = ({ address }, byteLength, offset = 0) =>
  Buffer.from(koffi.decode(address + BigInt(offset), koffi.array('uint8_t', byteLength, 'Array'))).toString('latin1')

async function main() {
  const block = malloc(8, 1, 'ab')
  for (let round = 0; round < 2; round++) {
    assert.throws(() => block.buffer, refused)
    assert.throws(() => block.bytes, refused)
    assert.throws(() => block.view(Uint8Array), refused)
    assert.throws(() => block.view(Buffer, 0, 4), refused)
  }
  assert.strictEqual(text(block, 8), 'abababab')
  assert.strictEqual(block.residentBytes(), 8)
  block.fill('xyz', 1, 6)
  assert.strictEqual(text(block, 8), 'axyzxyab')
  const tail = block.slice(-3)
  assert.strictEqual(text(tail, 3), 'yab')
  tail.free()
  assert.strictEqual(text(block.resize(10, '!'), 10), 'axyzxyab!!')
  const copy = NativeBuffer.from(Buffer.from('hello'))
  assert.strictEqual(text(copy, 5), 'hello')
  copy.free()
  const pin = block.pin()
  assert.throws(() => block.free(), { code: 'ERR_CMALLOC_PINNED' })
  pin.unpin()
  const handedOver = takeOver(handOver(block))
  assert.strictEqual(text(handedOver, 3), 'axy')
  const moved = consume(handedOver, 5)
  assert.strictEqual(getBufferAddress(moved), moved.address)
  const released = { address: moved.release() }
  const again = consume(released, 4)
  assert.strictEqual(text(again, 4), 'axyz')
  free(again)
  assert.throws(() => again.bytes, { code: 'ERR_CMALLOC_FREED' })

  const grown = await mallocAsync(1 << 20, 1, 'q')
  assert.strictEqual(grown.residentBytes(), 1 << 20)
  assert.throws(() => grown.bytes, refused)
  grown.free()

  arenas()
  pools()
  managers()
  registersMovedAway()
  assert.strictEqual(stats().liveBlocks, 0)
}

function arenas() {
  const { liveBytes } = stats()
  const arena = new Arena({ chunkBytes: 4096 })
  const first = arena.malloc(5, 1, 'ab')
  const second = arena.malloc(4, 4, 7, { align: 64 })
  const long = arena.malloc(10_000, 1, 'long')
  assert.strictEqual(text(first, 5), 'ababa')
  assert.strictEqual(text(second, 16), '\x07'.repeat(16))
  assert.strictEqual(text(long, 8, 9992), 'longlong')
  assert.strictEqual(second.address % 64n, 0n)
  assert.strictEqual(arena.getBufferAddress(first), first.address)
  assert.throws(() => first.bytes, refused)
  assert.throws(() => first.view(Uint8Array), refused)
  const mark = arena.mark()
  const third = arena.malloc(100)
  arena.rewind(mark)
  assert.strictEqual(third.freed, true)
  arena.free(long)
  for (let round = 0; round < 100; round++) arena.malloc(1000, 1, round)
  arena.reset()
  assert.throws(() => first.bytes, { code: 'ERR_CMALLOC_FREED' })
  arena[Symbol.dispose]()
  assert.strictEqual(stats().liveBytes, liveBytes)
}

function pools() {
  const pool = new Pool({ retainBytes: 1 << 20, scrub: true })
  const block = pool.malloc(5000, 1, 'pool')
  assert.strictEqual(text(block, 6), 'poolpo')
  assert.throws(() => block.bytes, refused)
  block.free()
  const again = pool.malloc(5000, 1, 'zero')
  assert.strictEqual(text(again, 4), '\0\0\0\0')
  again.free()
  pool[Symbol.dispose]()
}

function managers() {
  const manager = new MemManager(6, 8, { init: 'manager!' })
  assert.strictEqual(Buffer.from(manager.extractBufferRegion(4, 11)).toString(), 'ger!mana')
  assert.throws(() => manager.createView(Float64Array), refused)
  assert.strictEqual(text({ address: manager.buffer }, 7), 'manager')
  manager.free()
  const arena = new Arena()
  const ofArena = new MemManager(10, 1, { allocator: arena, init: 'abc' })
  assert.strictEqual(Buffer.from(ofArena.extractBufferRegion(1, 3)).toString(), 'bca')
  assert.throws(() => ofArena.createView(Uint8Array), refused)
  ofArena.free()
  const plain = new MemManager(4, 1, { allocator: 'ArrayBuffer', init: 1 })
  assert.deepStrictEqual([...plain.createView(Uint8Array)], [1, 1, 1, 1])
  plain.free()
  arena[Symbol.dispose]()
}

/** The registers are in a buffer of the runtime's then. Whoever has it may move its memory away, which is freed. */
function registersMovedAway() {
  const { Slot, takeRawCalls } = require('cmalloc/native')
  const calls = takeRawCalls()
  const slot = new Slot(calls.owner)
  calls.registers.set([slot.key, 16, 7])
  calls.allocate()
  const { key } = slot
  structuredClone(calls.registers, { transfer: [calls.registers.buffer] })
  for (const call of [calls.allocate, calls.free, calls.freeNow]) assert.throws(call, { code: 'ERR_CMALLOC_FREED' })
  assert.strictEqual(slot.key, key)
  slot.free()
}

main().then(
  () => console.log('whatever needs no external ArrayBuffer works without'),
  (error) => {
    console.error(error)
    process.exitCode = 1
  },
)
