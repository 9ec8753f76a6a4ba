'use strict'
// What the next MemManager takes while so many are alive. Arguments: how many, and how many then. Prints for each the
// nanoseconds of a new one and its end, in each round.

const { MemManager } = require('../../dist/mem-manager.js')

const CYCLES = 5000
const ROUNDS = 15

function rounds() {
  return Array.from({ length: ROUNDS }, () => {
    const start = process.hrtime.bigint()
    for (let cycle = 0; cycle < CYCLES; cycle++) new MemManager(64, 1).free()
    return Number(process.hrtime.bigint() - start) / CYCLES
  })
}

const alive = []
rounds()
const times = process.argv.slice(2).map((argument) => {
  while (alive.length < Number(argument)) alive.push(new MemManager(64, 1))
  return { count: Number(argument), times: rounds() }
})
console.log(JSON.stringify(times))
