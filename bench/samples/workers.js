'use strict'
// Threads that allocate and free at the same time. Argument: how many. Prints the nanoseconds of a cycle in each thread,
// for cmalloc and for koffi.

const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')

const CYCLES = 300_000
const NAMES = ['cmalloc', 'koffi.alloc']

function time(name) {
  const { contenders } = require('./contenders.js')
  const [allocate, free] = contenders[name].load('touch')
  for (let cycle = 0; cycle < CYCLES / 10; cycle++) free(allocate(64))
  parentPort.postMessage('ready')
  parentPort.once('message', () => {
    const start = process.hrtime.bigint()
    for (let cycle = 0; cycle < CYCLES; cycle++) free(allocate(64))
    parentPort.postMessage(Number(process.hrtime.bigint() - start) / CYCLES)
    parentPort.close()
  })
}

async function run(name, count) {
  const threads = Array.from({ length: count }, () => new Worker(__filename, { workerData: name }))
  const next = (thread) => new Promise((done) => thread.once('message', done))
  await Promise.all(threads.map(next))
  const times = threads.map(next)
  for (const thread of threads) thread.postMessage('go')
  const result = await Promise.all(times)
  await Promise.all(threads.map((thread) => thread.terminate()))
  return result
}

async function main() {
  const result = {}
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (const name of NAMES) result[name] = await run(name, Number(process.argv[2]))
  console.log(JSON.stringify(result))
}

if (isMainThread) void main()
else time(workerData)
