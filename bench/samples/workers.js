'use strict'
// Threads that allocate and free at the same time. Arguments: rounds, cycles in a round, and how many threads, several
// numbers. Prints for each contender the nanoseconds of a cycle in each thread, in each round. "nothing" allocates nothing: it
// shows what the machine itself takes from threads that share nothing.

const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')
const { compiledAnew } = require('./turns.js')

const NAMES = ['cmalloc', 'koffi.alloc', 'nothing']

function loopOf(name) {
  if (name === 'nothing') {
    // Some multiplications, of which each needs the one before, take as long as a call.
    return compiledAnew(() => (cycles) => {
      let value = 1
      for (let step = 0; step < cycles * 16; step++) value = Math.imul(value, 1664525) + 1013904223
      return value
    })()
  }
  const { contenders } = require('./contenders.js')
  const [allocate, free] = contenders[name].load('touch')
  return compiledAnew((make, end) => (cycles) => {
    for (let cycle = 0; cycle < cycles; cycle++) end(make(64))
  })(allocate, free)
}

function work({ name, cycles }) {
  const loop = loopOf(name)
  for (let round = 0; round < 3; round++) loop(cycles)
  parentPort.on('message', (begin) => {
    if (begin === 'end') return parentPort.close()
    // All threads wait for the last one.
    const waiting = new Int32Array(begin)
    Atomics.sub(waiting, 0, 1)
    while (Atomics.load(waiting, 0) > 0) {}
    const start = process.hrtime.bigint()
    loop(cycles)
    parentPort.postMessage(Number(process.hrtime.bigint() - start) / cycles)
  })
  parentPort.postMessage('ready')
}

const next = (thread) => new Promise((done) => thread.once('message', done))

/** The times of so many threads. */
async function together(threads) {
  const waiting = new Int32Array(new SharedArrayBuffer(4))
  waiting[0] = threads.length
  const times = threads.map(next)
  for (const thread of threads) thread.postMessage(waiting.buffer)
  return Promise.all(times)
}

async function measure(name, rounds, cycles, counts) {
  const most = Math.max(...counts)
  const threads = Array.from({ length: most }, () => new Worker(__filename, { workerData: { name, cycles } }))
  await Promise.all(threads.map(next))
  const all = counts.map((count) => ({ name, count, rounds: [] }))
  for (let round = 0; round < rounds; round++) {
    for (const { count, rounds: measured } of round % 2 === 0 ? all : all.toReversed()) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      measured.push(await together(threads.slice(0, count)))
    }
  }
  for (const thread of threads) thread.postMessage('end')
  await Promise.all(threads.map((thread) => thread.terminate()))
  return all
}

async function main([rounds, cycles, ...counts]) {
  const result = []
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (const name of NAMES) result.push(...(await measure(name, rounds, cycles, counts)))
  console.log(JSON.stringify(result))
}

if (isMainThread) void main(process.argv.slice(2).map(Number))
else work(workerData)
