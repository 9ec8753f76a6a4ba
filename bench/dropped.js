'use strict'
// `npm run measure:dropped`: what a round costs that makes memory, writes once to each page through its bytes, and drops
// it, in a synchronous loop: blocks beside Buffers of the same length, by turns. Prints medians.
const { malloc } = require('cmalloc')

const MiB = 2 ** 20
const PAGE = 4096
/** The length, and the rounds of a turn. */
const LOOPS = [
  [64 * MiB, 8],
  [4 * MiB, 100],
  [64 * 1024, 2000],
]
const TURNS = 15

function writePages(bytes) {
  for (let at = 0; at < bytes.length; at += PAGE) bytes[at] = 1
}

const ROUND = {
  Buffer: (byteLength) => writePages(Buffer.alloc(byteLength)),
  malloc: (byteLength) => writePages(malloc(byteLength).bytes),
}

/** Microseconds of a round. */
function time(round, byteLength, rounds) {
  const start = performance.now()
  for (let done = 0; done < rounds; done++) round(byteLength)
  return ((performance.now() - start) * 1000) / rounds
}

const median = (numbers) => numbers.sort((one, other) => one - other)[numbers.length >> 1]

for (const [byteLength, rounds] of LOOPS) {
  const times = { Buffer: [], malloc: [] }
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [name, round] of Object.entries(ROUND)) times[name].push(time(round, byteLength, rounds))
  }
  const [buffer, block] = [median(times.Buffer), median(times.malloc)]
  const how = `${block.toFixed(1)} us a round, Buffer.alloc ${buffer.toFixed(1)} us: ${(block / buffer).toFixed(2)} times`
  console.log(`${byteLength / 1024} KiB: ${how}`)
}
console.log(`at most ${Math.round((process.resourceUsage().maxRSS * 1024) / MiB)} MiB were resident`)
