'use strict'
// The first large block of a process: how long it takes until it is there. The code is warm, the memory is not.
// Arguments: contender, length in bytes, and "touch", "zero" or "fill". Prints nanoseconds and what the system says of
// huge pages.

const { readFileSync } = require('node:fs')
const { contenders } = require('./contenders.js')

const [name, length, init] = [process.argv[2], Number(process.argv[3]), process.argv[4]]
const [allocate, free] = contenders[name].load(init)

for (let round = 0; round < 2000; round++) free?.(allocate(64))
free?.(allocate(8192))
// The runtime compiles and collects in threads of its own: it ends what the rounds have caused. The C programs rest as long.
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)

const start = process.hrtime.bigint()
const block = allocate(length)
const ns = Number(process.hrtime.bigint() - start)

const [, hugeKib] = /^AnonHugePages:\s+(\d+)/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8')) ?? ['', NaN]
console.log(JSON.stringify({ ns, hugeKib: Number(hugeKib) }))
globalThis.kept = block
