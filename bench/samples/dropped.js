'use strict'
// What a round costs that makes memory, writes once to each page through its bytes, and drops it, in a synchronous loop: blocks
// beside Buffers of the same length, by turns. Arguments: turns, length in bytes, and rounds of a turn. Prints nanoseconds of a
// round, for each turn, and how much was resident at most.

const { malloc } = require('../..')
const { takeTurns } = require('./turns.js')

const PAGE = 4096

function writePages(bytes) {
  for (let at = 0; at < bytes.length; at += PAGE) bytes[at] = 1
}

const [turns, byteLength, rounds] = process.argv.slice(2).map(Number)
const runs = {
  cmalloc(times) {
    for (let done = 0; done < times; done++) writePages(malloc(byteLength).bytes)
  },
  'Buffer.alloc'(times) {
    for (let done = 0; done < times; done++) writePages(Buffer.alloc(byteLength))
  },
}
const times = takeTurns(runs, turns, rounds)
console.log(JSON.stringify({ times, mostResident: process.resourceUsage().maxRSS * 1024 }))
