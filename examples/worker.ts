/** Hands a block to a worker and gets it back: nothing is copied, and at each moment one thread has it. */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { handOver, malloc, takeOver, type Ticket } from 'cmalloc'

const WORKER = `
  const { parentPort } = require('node:worker_threads')
  const { handOver, takeOver } = require('cmalloc')
  parentPort.once('message', (ticket) => {
    const block = takeOver(ticket)
    const samples = block.view(Float64Array)
    for (const [index, sample] of samples.entries()) samples[index] = Math.sqrt(sample)
    parentPort.postMessage(handOver(block))
  })`

async function main(): Promise<void> {
  const block = malloc(1_000_000, 8)
  const { address } = block
  block.view(Float64Array).fill(2)

  const worker = new Worker(WORKER, { eval: true })
  worker.postMessage(handOver(block))
  console.log(`given away: ${block.freed}`)
  const [ticket] = (await once(worker, 'message')) as [Ticket]
  using back = takeOver(ticket)
  console.log(`the same memory: ${back.address === address}, ${back.view(Float64Array)[999_999]}`)
}

void main()
