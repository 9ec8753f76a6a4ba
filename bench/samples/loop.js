'use strict'
// Allocate and free, over and over. Arguments: length in bytes, rounds, cycles in a round, and the contenders, who take
// turns. Prints for each the nanoseconds of a cycle in each round: see turns.js.

const { contenders } = require('./contenders.js')
const { compiledAnew, takeTurns } = require('./turns.js')

const [length, rounds, cycles] = process.argv.slice(2, 5).map(Number)

/** For what the garbage collector frees: kept, so that the optimiser cannot drop it. */
let kept

function keep(block) {
  kept = block
}

const freed = (allocate, free, argument) => (times) => {
  for (let cycle = 0; cycle < times; cycle++) free(allocate(argument))
}

const dropped = (allocate, keeper, argument) => (times) => {
  for (let cycle = 0; cycle < times; cycle++) keeper(allocate(argument))
}

function loop(name) {
  const [allocate, free, passed = Number] = contenders[name].load('touch')
  return compiledAnew(free ? freed : dropped)(allocate, free ?? keep, passed(length))
}

const runs = Object.fromEntries(process.argv.slice(5).map((name) => [name, loop(name)]))
console.log(JSON.stringify(takeTurns(runs, rounds, cycles)))
globalThis.kept = kept
