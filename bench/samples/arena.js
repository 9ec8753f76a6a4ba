'use strict'
// What a region of an arena takes, beside a Buffer from Node's pool, and koffi's alloc and free. They take turns.
// Arguments: length in bytes, rounds, cycles in a round. Prints for each the nanoseconds of a cycle in each round.

const { Arena } = require('../../dist/arena.js')
const koffi = require('koffi')

const [length, rounds, cycles] = process.argv.slice(2).map(Number)

/** Kept, so that the optimiser cannot drop what is allocated. */
let kept
const arena = new Arena()

const runs = {
  'Arena.malloc'() {
    for (let cycle = 0; cycle < cycles; cycle++) {
      // As a program would that is done with what it needed together.
      if (cycle % 10_000 === 0) arena.reset()
      kept = arena.malloc(length)
    }
  },
  'Buffer.allocUnsafe'() {
    for (let cycle = 0; cycle < cycles; cycle++) kept = Buffer.allocUnsafe(length)
  },
  'koffi.alloc'() {
    for (let cycle = 0; cycle < cycles; cycle++) koffi.free(koffi.alloc('char', length))
  },
}

const times = Object.fromEntries(Object.keys(runs).map((name) => [name, []]))
for (let round = -3; round < rounds; round++) {
  const order = Object.entries(runs)
  for (const [name, run] of round % 2 === 0 ? order : order.toReversed()) {
    const start = process.hrtime.bigint()
    run()
    const passed = Number(process.hrtime.bigint() - start)
    if (round >= 0) times[name].push(passed / cycles)
  }
}
console.log(JSON.stringify(times))
globalThis.kept = kept
