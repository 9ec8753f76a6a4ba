'use strict'
// A large block by mallocAsync, and how long the event loop waits meanwhile. Argument: length in bytes. Prints milliseconds.

const { performance, monitorEventLoopDelay } = require('node:perf_hooks')
const { setTimeout: sleep } = require('node:timers/promises')
const { malloc, mallocAsync } = require('../..')

async function main() {
  const length = Number(process.argv[2])
  ;(await mallocAsync(2 ** 20)).free()
  malloc(length).free()
  await sleep(20)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await sleep(20)
  delay.reset()
  const start = performance.now()
  const block = await mallocAsync(length, 1, undefined, { onProgress() {} })
  const took = performance.now() - start
  delay.disable()
  block.free()
  const synchronous = performance.now()
  malloc(length).free()
  console.log(
    JSON.stringify({
      took,
      synchronous: performance.now() - synchronous,
      longestDelay: delay.max / 1e6,
      p99: delay.percentile(99) / 1e6,
    }),
  )
}

void main()
