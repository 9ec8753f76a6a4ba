'use strict'
// Allocate and free, over and over. Arguments: length in bytes, rounds, cycles in a round, and the contenders, who take
// turns. Prints for each the nanoseconds of a cycle in each round: those that passed, and those that the processors
// worked for this process, its garbage collector included.

const { contenders } = require('./contenders.js')

const [length, rounds, cycles] = process.argv.slice(2, 5).map(Number)
const runs = process.argv
  .slice(5)
  .map((name) => ({ name, run: loop(...contenders[name].load('touch')), wall: [], cpu: [] }))

/** For what the garbage collector frees: kept, so that the optimiser cannot drop it. */
let kept

/** A function of its own for each contender, so that its calls are optimised as in a program that has only them. */
function loop(allocate, free) {
  const body = free
    ? 'for (let cycle = 0; cycle < cycles; cycle++) free(allocate(length))'
    : 'for (let cycle = 0; cycle < cycles; cycle++) keep(allocate(length))'
  return new Function('allocate', 'free', 'keep', `return (length, cycles) => { ${body} }`)(allocate, free, keep)
}

function keep(block) {
  kept = block
}

for (let round = -3; round < rounds; round++) {
  for (const { run, wall, cpu } of round % 2 === 0 ? runs : runs.toReversed()) {
    const [used, start] = [process.cpuUsage(), process.hrtime.bigint()]
    run(length, cycles)
    const passed = Number(process.hrtime.bigint() - start)
    const { user, system } = process.cpuUsage(used)
    if (round < 0) continue
    wall.push(passed / cycles)
    cpu.push(((user + system) * 1000) / cycles)
  }
}
console.log(JSON.stringify(runs.map(({ name, wall, cpu }) => ({ name, wall, cpu }))))
globalThis.kept = kept
