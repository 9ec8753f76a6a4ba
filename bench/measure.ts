/** Measures in this process, and prints a Measurement as JSON. Started by malloc-free.ts on each Node. */

import { version as cmallocVersion } from 'cmalloc/package.json'
import { version as koffiVersion } from 'koffi'
import { NATIVE, NODE, type Contender } from './contenders.js'
import type { Comparison, Measurement, Peer } from './report.js'
import { spreadOf } from './spread.js'

const WARM_UP = 5
const ROUNDS = 31

/** The sizes, and how often a round allocates each. The first is the one that counts. */
const SIZES = [
  { byteLength: 64, iterations: 100_000 },
  { byteLength: 64 * 1024, iterations: 10_000 },
  { byteLength: 4 * 2 ** 20, iterations: 200 },
]

interface Time {
  cpu: number
  wall: number
}

/**
 * Nanoseconds for one cycle. The time that the processors worked for this process, its garbage collector included,
 * is what a cycle costs; the time that passed depends on what else the machine does as well.
 */
function time(cycle: () => void, iterations: number): Time {
  const [cpu, wall] = [process.cpuUsage(), process.hrtime.bigint()]
  for (let i = 0; i < iterations; i++) cycle()
  const [worked, passed] = [process.cpuUsage(cpu), process.hrtime.bigint() - wall]
  return { cpu: ((worked.user + worked.system) * 1000) / iterations, wall: Number(passed) / iterations }
}

/** Rounds in which everybody takes a turn, in another order each time: what came before must favour nobody. */
function interleave(contenders: readonly Contender[], byteLength: number, iterations: number): Peer[] {
  const runs = contenders.map(({ name, cycle }) => ({ name, cycle: cycle(byteLength), times: [] as Time[] }))
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const order = round % 2 === 0 ? runs : runs.toReversed()
    for (const { cycle, times } of order) {
      const measured = time(cycle, iterations)
      if (round >= 0) times.push(measured)
    }
  }
  return runs.map(({ name, times }) => ({
    name,
    cpu: spreadOf(times.map(({ cpu }) => cpu)),
    wall: spreadOf(times.map(({ wall }) => wall)),
  }))
}

/** Node's own buffers are garbage, which somebody else would have to collect: they run by themselves. */
function compare({ byteLength, iterations }: (typeof SIZES)[number]): Comparison {
  const peers = [NATIVE, NODE].flatMap((contenders) => interleave(contenders, byteLength, iterations))
  return { byteLength, iterations, rounds: ROUNDS, peers }
}

const measurement: Measurement = {
  node: process.versions.node,
  cmalloc: cmallocVersion,
  koffi: koffiVersion,
  comparisons: SIZES.map(compare),
}
console.log(JSON.stringify(measurement))
