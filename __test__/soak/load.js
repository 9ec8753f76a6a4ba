'use strict'
// The mix of calls that every thread of the soak makes: about so many bytes alive, of blocks of every size, whose
// contents are looked at whenever they are met.
const assert = require('node:assert')
const { consume, free, handOver, malloc, NativeBuffer, setCacheLimit, stats, takeOver, trim } = require('../..')
const libc = require('koffi').load(process.platform === 'win32' ? 'ucrtbase.dll' : null)
const cFree = libc.func('void free(void *block)')
const cMalloc = libc.func('void *malloc(size_t size)')

const MiB = 2 ** 20
const MOST_BYTES = 32 * MiB
const MOST_BLOCKS = 3000
const MOST_SHARED = 20
const CACHE_LIMIT = 4 * MiB
// Node 20 has none.
const HAS_SHARED = Number.parseInt(process.versions.node, 10) >= 22

/**
 * @param random gives integers below a limit
 * @param moves whether bytes may be moved away from their block
 * @param post takes tickets, which another thread may have
 * @param quiet whether no block may be handed over now
 */
module.exports = ({ random, moves, post, quiet }) => {
  let blocks = []
  let bytes = 0
  const shared = []

  const length = () => {
    const kind = random(100)
    if (kind < 70) return 1 + random(1000)
    if (kind < 95) return 1 + random(100_000)
    return 1 + random(kind < 99 ? MiB : 8 * MiB)
  }

  function add(block, byte) {
    blocks.push({ block, byte })
    bytes += block.byteLength
  }

  function take() {
    const at = random(blocks.length)
    const taken = blocks[at]
    blocks[at] = blocks[blocks.length - 1]
    blocks.pop()
    bytes -= taken.block.byteLength
    return taken
  }

  const checkBytes = (seen, byte) => {
    for (const at of [0, seen.length >> 1, seen.length - 1]) assert.strictEqual(seen[at], byte)
  }
  const check = ({ block, byte }) => checkBytes(block.bytes, byte)

  const allocate = () => {
    const byte = 1 + random(255)
    add(malloc(length(), 1, byte), byte)
  }

  const actions = [
    () => check(blocks[random(blocks.length)]),
    () => free(take().block),
    () => void take(),
    () => {
      const taken = take()
      check(taken)
      taken.block.free()
    },
    // Dropped with its ArrayBuffer.
    () => check(take()),
    () => {
      const { block, byte } = take()
      add(block.resize(length(), byte), byte)
    },
    () => {
      const { block, byte } = take()
      add(consume(block, Math.ceil(block.byteLength / 2)), byte)
    },
    () => {
      const { block, byte } = take()
      add(consume({ address: block.release() }, 1 + random(1000)).fill(byte), byte)
    },
    () => cFree(take().block.release()),
    () => add(consume({ address: cMalloc(1 + random(5000)) }, 1 + random(5000)).fill(7), 7),
    () => {
      const { block, byte } = blocks[random(blocks.length)]
      add(block.slice(0, 1 + random(block.byteLength)), byte)
    },
    () => {
      const { block, byte } = blocks[random(blocks.length)]
      add(NativeBuffer.from(block.bytes.subarray(0, 1000)), byte)
    },
    () => {
      const { block, byte } = take()
      checkBytes(block.read(new Uint8Array(Math.min(block.byteLength, 1000))), byte)
      const other = byte ^ 1
      add(block.write(new Uint8Array(block.byteLength).fill(other)), other)
    },
    // The same length again and again.
    () => {
      const byteLength = length()
      for (let round = 0; round < 5; round++) {
        const block = malloc(byteLength, 1, round)
        if (round % 2 === 0) check({ block, byte: round })
        block.free()
      }
    },
    () => {
      if (random(20) === 0) setCacheLimit(random(2) === 0 ? random(CACHE_LIMIT) : CACHE_LIMIT)
      if (random(50) === 0) trim()
      assert(stats().cachedBytes <= 3 * CACHE_LIMIT, `${stats().cachedBytes} bytes are kept`)
    },
    () => {
      const taken = take()
      const pin = taken.block.pin()
      setImmediate(() => {
        check(taken)
        pin.unpin()
        taken.block.free()
      })
    },
    () => {
      if (quiet()) return
      const { block, byte } = take()
      const given = { ticket: handOver(block), byte }
      if (random(2) === 0) post(given)
      else accept(given)
    },
  ]
  if (moves && 'transfer' in ArrayBuffer.prototype) {
    actions.push(() => {
      const { block, byte } = take()
      const moved = block.buffer.transfer()
      if (random(2) === 0) block.free()
      assert.strictEqual(new Uint8Array(moved).at(-1), byte)
    })
  }

  if (HAS_SHARED) {
    actions.push(() => {
      const { block, byte } = take()
      shared.push({ seen: new Uint8Array(block.shared), byte })
      if (random(2) === 0) block.free()
      const { seen, byte: old } = shared.length > MOST_SHARED ? shared.shift() : shared[random(shared.length)]
      checkBytes(seen, old)
    })
  }

  /** Takes a block over that was handed over. */
  function accept({ ticket, byte }) {
    add(takeOver(ticket), byte)
  }

  return {
    accept,
    /** Makes so many calls. */
    run(calls) {
      for (let call = 0; call < calls; call++) {
        if (blocks.length === 0 || (bytes < MOST_BYTES && blocks.length < MOST_BLOCKS && random(2) === 0)) allocate()
        else actions[random(actions.length)]()
      }
    },
    /** Frees some of what is left, and drops the rest. */
    end() {
      for (const { block } of blocks) if (random(2) === 0) block.free()
      blocks = []
      bytes = 0
      shared.length = 0
      trim()
    },
  }
}
