import assert from 'node:assert'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { handOver, malloc, stats, takeOver } from 'cmalloc'

const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { handOver, takeOver } = require('cmalloc')
  parentPort.on('message', (ticket) => {
    const block = takeOver(ticket) // this thread has it now
    const samples = block.view(Float64Array)
    for (const [index, value] of samples.entries()) samples[index] = Math[workerData](value)
    parentPort.postMessage(handOver(block)) // and now nobody has, until the ticket is taken
  })`

/** What a worker makes of a block. */
async function through(worker, block) {
  worker.postMessage(handOver(block)) // the handle is empty, and so are its views
  assert.equal(block.freed, true)
  const [ticket] = await once(worker, 'message')
  return takeOver(ticket)
}

const root = new Worker(WORKER, { eval: true, workerData: 'sqrt' })
const logarithm = new Worker(WORKER, { eval: true, workerData: 'log2' })

for (const square of [4, 64, 256]) {
  const block = malloc(1_000_000, Float64Array.BYTES_PER_ELEMENT)
  const { address } = block
  block.view(Float64Array).fill(square)
  const done = await through(logarithm, await through(root, block))
  assert.equal(done.address, address) // nothing was copied
  console.log(`the logarithm of the root of ${square}: ${done.view(Float64Array)[999_999]}`)
  done.free()
}
await Promise.all([root.terminate(), logarithm.terminate()])
console.log(`blocks that are left: ${stats().liveBlocks}`)
