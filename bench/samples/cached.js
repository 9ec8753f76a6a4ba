'use strict'
// How much memory the cache of freed blocks takes beside what is live. Arguments: its limit in bytes, and the length of the first
// blocks. Blocks whose lengths grow replace each other, while about as many bytes live all along. Prints what is resident above what is live, without the
// JavaScript heap: at most meanwhile, when all is freed, and after trim(). Nothing if there is no cache.

const { getHeapStatistics } = require('node:v8')
const cmalloc = require('../..')

const LIVE = 8 * 2 ** 20
const LONGEST = 2 ** 20

const [limit, shortest] = process.argv.slice(2).map(Number)

let state = 9
/** A whole number below `most`, as if by chance, but the same in each run. */
function below(most) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % most
}

function above(live) {
  // What is garbage has slots, which are memory too.
  globalThis.gc()
  return process.memoryUsage.rss() - getHeapStatistics().total_physical_size - live
}

function measure() {
  cmalloc.setCacheLimit(limit)
  const before = above(0)
  const blocks = []
  let live = 0
  let most = 0
  for (let length = shortest; length <= LONGEST / 2; length *= 2) {
    const next = []
    const steps = Math.ceil(LIVE / (length * 1.5))
    for (let step = 0; step < steps; step++) {
      next.push(cmalloc.malloc(length + below(length)))
      live += next.at(-1).byteLength
      // The blocks of the lengths before go meanwhile, in no order.
      while (live > LIVE && blocks.length > 0) {
        const at = below(blocks.length)
        live -= blocks[at].byteLength
        blocks[at].free()
        blocks[at] = blocks.at(-1)
        blocks.pop()
      }
      if (step % Math.ceil(steps / 8) === 0) most = Math.max(most, above(live) - before)
    }
    blocks.push(...next)
  }
  for (const block of blocks) block.free()
  blocks.length = 0
  const rest = above(0) - before
  cmalloc.trim()
  return { most, rest, trimmed: above(0) - before }
}

console.log(JSON.stringify('setCacheLimit' in cmalloc ? measure() : null))
