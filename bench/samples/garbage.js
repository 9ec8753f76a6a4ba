'use strict'
// The garbage that one malloc and its free leave on the JavaScript heap. Prints bytes, for each size.

const { getHeapStatistics } = require('node:v8')
const { malloc } = require('../..')

const CYCLES = 20_000

function cycle(length, cycles) {
  for (let index = 0; index < cycles; index++) malloc(length).free()
}

const result = {}
for (const length of [16, 64, 256, 4096]) {
  cycle(length, 100_000)
  const deltas = []
  for (let round = 0; round < 11; round++) {
    globalThis.gc()
    const before = getHeapStatistics().used_heap_size
    cycle(length, CYCLES)
    deltas.push((getHeapStatistics().used_heap_size - before) / CYCLES)
  }
  result[length] = deltas.sort((a, b) => a - b)[5]
}
console.log(JSON.stringify(result))
