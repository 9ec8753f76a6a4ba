import assert from 'node:assert'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import koffi from 'koffi'
import { malloc, stats } from 'cmalloc'

const libc = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null)
const memset = libc.func('void *memset(void *to, int byte, size_t count)')

const PARTS = 4
const MiB = 2 ** 20
const HEAD = 8 // before the parts: whether C has written, and the sum

const WORKER = `
  const { parentPort, workerData: { shared, start, length } } = require('node:worker_threads')
  const head = new Int32Array(shared, 0, 2)
  const part = new Uint8Array(shared, start, length)
  parentPort.postMessage('ready')
  Atomics.wait(head, 0, 0)
  let sum = 0
  for (const byte of part) sum += byte
  Atomics.add(head, 1, sum)`

const block = malloc(HEAD + PARTS * MiB, 1, 'zero')
const { address, shared } = block
const starts = Array.from({ length: PARTS }, (_, part) => HEAD + part * MiB)
const workers = starts.map((start) => new Worker(WORKER, { eval: true, workerData: { shared, start, length: MiB } }))
const ends = workers.map((worker) => once(worker, 'exit'))
await Promise.all(workers.map((worker) => once(worker, 'message')))

// C writes what the workers have under their SharedArrayBuffers: no message has a byte of it.
for (const [part, start] of starts.entries()) memset(address + BigInt(start), part + 1, MiB)
const head = new Int32Array(shared, 0, 2)
Atomics.store(head, 0, 1)
Atomics.notify(head, 0)
await Promise.all(ends)
console.log(`${PARTS} workers have added up ${Atomics.load(head, 1) / MiB} MiB`)

assert.throws(() => block.release(), { code: 'ERR_CMALLOC_ESCAPED' }) // whoever has it keeps the bytes
block.free()
console.log(`freed: ${block.freed}, and the sum is still ${head[1] / MiB}; blocks that are left: ${stats().liveBlocks}`)
