'use strict'
// What more blocks cost. Argument: how many are alive. Prints what the next one takes, what each takes of memory beside its
// bytes, and how long a collection pauses the program, beside as many Buffers.

const { performance } = require('node:perf_hooks')
const { malloc } = require('../..')

const count = Number(process.argv[2])
const LENGTH = 64
const CYCLES = 50_000
const ROUNDS = 15

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]

function cycle() {
  const start = process.hrtime.bigint()
  for (let index = 0; index < CYCLES; index++) malloc(LENGTH).free()
  return Number(process.hrtime.bigint() - start) / CYCLES
}

/** Milliseconds of a full collection. */
function pause() {
  const start = performance.now()
  globalThis.gc()
  return performance.now() - start
}

function measure(make) {
  globalThis.gc()
  const before = process.memoryUsage()
  const kept = Array.from({ length: count }, make)
  globalThis.gc()
  const after = process.memoryUsage()
  const pauses = Array.from({ length: 5 }, pause)
  return {
    kept,
    heapBytes: (after.heapUsed - before.heapUsed) / count,
    residentBytes: (after.rss - before.rss) / count,
    pause: median(pauses),
  }
}

for (let round = 0; round < 5; round++) cycle()
const few = median(Array.from({ length: ROUNDS }, cycle))
const { kept, ...blocks } = measure(() => malloc(LENGTH))
for (let round = 0; round < 3; round++) cycle()
const cycles = Array.from({ length: ROUNDS }, cycle)
for (const block of kept) block.free()
kept.length = 0
const { kept: buffers, ...of } = measure(() => Buffer.allocUnsafeSlow(LENGTH))
console.log(JSON.stringify({ count, few, next: median(cycles), blocks, buffers: of }))
globalThis.kept = buffers
