'use strict'
// A block that grows to twice its length, beside a new block and a copy. Argument: length in bytes. Prints nanoseconds.

const { malloc } = require('../..')

const length = Number(process.argv[2])
const time = (work) => {
  const start = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - start)
}

for (let round = 0; round < 200; round++) malloc(64).resize(128).free()
const block = malloc(length, 1, 'A')
const resized = time(() => block.resize(2 * length))
block.free()
const source = malloc(length, 1, 'A')
let target
const copied = time(() => {
  target = malloc(2 * length)
  target.bytes.set(source.bytes)
  source.free()
})
target.free()
console.log(JSON.stringify({ resized, copied }))
