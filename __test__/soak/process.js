'use strict'
// The process that is watched: works on the main thread and on others, which come and go. Prints a line of JSON for each
// sample of its memory. Arguments: seconds, seed.
const assert = require('node:assert')
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { Worker } = require('node:worker_threads')
const { stats } = require('../..')
const { externalBytes } = require('../../index.js')

const [seconds, seed] = process.argv.slice(2).map(Number)
// What the C library keeps of what was freed is given back to the system, which not every library can.
const trim = process.platform === 'linux' ? require('koffi').load(null).func('int malloc_trim(size_t pad)') : () => {}
const random = require('../fixtures/random.js')(seed)
const THREADS = 2
const start = performance.now()
const passed = () => (performance.now() - start) / 1000

/** What the process has in memory, without the pages of files, which the system drops and reads at will. */
function residentBytes() {
  if (process.platform !== 'linux') return process.memoryUsage.rss()
  return 1024 * Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
}

/** What the C library keeps of what was freed is its own affair: it is asked to give it back first. */
function sample() {
  trim(0)
  const { liveBytes, liveBlocks, leakedAtTeardown, cachedBytes } = stats()
  const line = {
    seconds: passed(),
    resident: residentBytes(),
    external: externalBytes(),
    liveBytes,
    liveBlocks,
    cachedBytes,
  }
  console.log(JSON.stringify({ ...line, leakedAtTeardown }))
}

const load = require('./load.js')({
  random,
  moves: true,
  post: (given) => load.accept(given),
  quiet: () => false,
})

async function runThreads() {
  while (passed() < seconds) {
    const worker = new Worker(join(__dirname, 'thread.js'), { workerData: { seed: random(2 ** 31) } })
    const quiet = new Promise((done) => {
      worker.on('message', (given) => (given === 'quiet' ? done() : load.accept(given)))
    })
    worker.on('error', (error) => {
      throw error
    })
    // oxlint-disable-next-line no-await-in-loop -- one thread after the other
    await sleep(Math.min(1000 + random(4000), Math.max(1000 * (seconds - passed()), 0)))
    worker.postMessage('be quiet')
    // oxlint-disable-next-line no-await-in-loop
    await quiet
    // oxlint-disable-next-line no-await-in-loop
    await sleep(random(50))
    // oxlint-disable-next-line no-await-in-loop
    await worker.terminate()
  }
}

async function work() {
  while (passed() < seconds) {
    load.run(200)
    // oxlint-disable-next-line no-await-in-loop
    await sleep(5)
  }
}

;(async () => {
  const before = externalBytes()
  const sampling = setInterval(sample, 1000)
  await Promise.all([work(), ...Array.from({ length: THREADS }, runThreads)])
  clearInterval(sampling)
  load.end()
  // A block that is just being collected as its thread is ended cannot be told from one whose bytes were moved away.
  const left = () => stats().liveBlocks > stats().leakedAtTeardown || externalBytes() - before > 2 ** 20
  for (let round = 0; round < 500 && left(); round++) {
    gc()
    // oxlint-disable-next-line no-await-in-loop
    await sleep(1)
  }
  sample()
  const { liveBlocks, awaitingFinalizerBytes, leakedAtTeardown, cachedBlocks } = stats()
  assert.deepStrictEqual(
    { liveBlocks, awaitingFinalizerBytes, cachedBlocks },
    { liveBlocks: leakedAtTeardown, awaitingFinalizerBytes: 0, cachedBlocks: 0 },
  )
  assert(externalBytes() - before <= 2 ** 20, `${externalBytes() - before} external bytes are left`)
})()
