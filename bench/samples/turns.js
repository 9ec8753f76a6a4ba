'use strict'

/** Rounds whose times do not count: the runtime compiles meanwhile. */
const WARM_UP = 3

/**
 * Runs each of `runs`, functions of how often, in turns: every other round in the reverse order. Returns for each the
 * nanoseconds of a cycle in each round: those that passed, and those that processors worked for this process, its garbage
 * collector included.
 */
function takeTurns(runs, rounds, cycles) {
  const turns = Object.entries(runs).map(([name, run]) => ({ name, run, wall: [], cpu: [] }))
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const { run, wall, cpu } of round % 2 === 0 ? turns : turns.toReversed()) {
      const [used, start] = [process.cpuUsage(), process.hrtime.bigint()]
      run(cycles)
      const passed = Number(process.hrtime.bigint() - start)
      const { user, system } = process.cpuUsage(used)
      if (round < 0) continue
      wall.push(passed / cycles)
      cpu.push(((user + system) * 1000) / cycles)
    }
  }
  return turns.map(({ name, wall, cpu }) => ({ name, wall, cpu }))
}

let compiled = 0

/**
 * Compiles a function anew, so that its calls are optimised as in a program that has only them. It keeps no variable of where
 * it was written. The number is in it because V8 compiles the same text once, and gives it what it has learned before.
 */
function compiledAnew(source) {
  compiled += 1
  return new Function(`/* ${compiled} */ return ${source}`)()
}

module.exports = { compiledAnew, takeTurns }
