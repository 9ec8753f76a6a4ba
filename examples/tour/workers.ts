import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { malloc, type NativeBuffer } from 'cmalloc'
import { cMemset } from './c.js'
import type { Report } from './report.js'

const COUNT = 2 ** 20
const WORKERS = 2
const ADD_ONE = `
  const numbers = new Int32Array(require('node:worker_threads').workerData)
  for (let index = 0; index < numbers.length; index++) Atomics.add(numbers, index, 1)`

/** One block, which C, this thread and every worker use at once. */
export async function shareWithWorkers(report: Report): Promise<void> {
  report.section(`One block for C and ${WORKERS} workers at once: block.shared`)
  using block = malloc(COUNT, Int32Array.BYTES_PER_ELEMENT)
  const shared = sharedOf(block)
  if (shared === undefined) return report.note('block.shared', 'takes Node 22 or later')
  const { address } = block
  cMemset(address, 1, block.byteLength) // each number is 0x01010101 now
  await Promise.all(Array.from({ length: WORKERS }, () => once(new Worker(ADD_ONE, { eval: true, workerData: shared }), 'exit'))) // prettier-ignore
  const expected = 0x01010101 + WORKERS
  const right = new Int32Array(shared).filter((number) => number === expected)
  report.equal('numbers that C set, and each worker added 1 to', right.length, COUNT)
  report.equal('the block is where it was', block.address, address)
}

function sharedOf(block: NativeBuffer): SharedArrayBuffer | undefined {
  try {
    return block.shared
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM') return undefined
    throw error
  }
}
