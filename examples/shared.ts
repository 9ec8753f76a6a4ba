/**
 * Workers add up what C writes, all of them in one block: nothing is copied, and no message has a byte of it. It takes
 * Node 22.23, 24.16 or 26.1, or a later one.
 */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import koffi from 'koffi'
import { malloc } from 'cmalloc'

const libc = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null)
const memset = libc.func('void *memset(void *to, int byte, size_t count)')

const WORKERS = 4
const PART = 2 ** 20
/** Before the parts: whether C has written, and the sum. */
const HEAD = 8

const WORKER = `
  const { parentPort, workerData: { shared, start, length } } = require('node:worker_threads')
  const head = new Int32Array(shared, 0, 2)
  const part = new Uint8Array(shared, start, length)
  parentPort.postMessage('ready')
  Atomics.wait(head, 0, 0)
  let sum = 0
  for (const byte of part) sum += byte
  Atomics.add(head, 1, sum)`

async function main(): Promise<void> {
  const block = malloc(HEAD + WORKERS * PART, 1, 'zero')
  const { shared, address } = block
  const starts = Array.from({ length: WORKERS }, (_, index) => HEAD + index * PART)
  const workers = starts.map((start) => new Worker(WORKER, { eval: true, workerData: { shared, start, length: PART } }))
  const ends = workers.map((worker) => once(worker, 'exit'))
  await Promise.all(workers.map((worker) => once(worker, 'message')))

  // C writes at the address what the workers have under their SharedArrayBuffer.
  for (const [index, start] of starts.entries()) memset(address + BigInt(start), index + 1, PART)
  const head = new Int32Array(shared, 0, 2)
  Atomics.store(head, 0, 1)
  Atomics.notify(head, 0)
  await Promise.all(ends)
  console.log(`${WORKERS} workers: ${Atomics.load(head, 1) / PART} MiB`)

  // The handle is gone. The bytes are there as long as somebody has them.
  block.free()
  console.log(`freed: ${block.freed}, and the sum is still ${head[1]! / PART}`)
}

void main()
