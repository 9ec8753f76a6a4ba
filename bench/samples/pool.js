'use strict'
// What a block of a pool takes: the first, for which the memory is made resident, and those that are used again.
// Argument: length in bytes. Prints nanoseconds.

const { setTimeout: sleep } = require('node:timers/promises')
const { Pool } = require('../../dist/pool.js')

const length = Number(process.argv[2])

async function main() {
  const pool = new Pool({ retainBytes: 2 * length })
  // Until the runtime's threads, which compile at the start, are done.
  await sleep(100)
  const take = () => {
    const start = process.hrtime.bigint()
    const block = pool.malloc(length)
    return [Number(process.hrtime.bigint() - start), block]
  }
  const [first, block] = take()
  block.free()
  const [second, again] = take()
  again.free()
  const later = Array.from({ length: 101 }, () => {
    const [took, one] = take()
    one.free()
    return took
  })
  console.log(JSON.stringify({ first, second, later: later.sort((a, b) => a - b)[50] }))
}

main()
