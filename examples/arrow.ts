/** A column of Apache Arrow over a block: C and JavaScript write it, Arrow reads it, and nobody copies it. */

import assert from 'node:assert'
import { Float64, makeData, makeVector, Table, tableFromIPC, tableToIPC } from 'apache-arrow'
import koffi from 'koffi'
import { malloc, NativeBuffer } from 'cmalloc'

const libc = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null)
const modf = libc.func('double modf(double value, void *whole)')

// The column's values are the block's bytes.
using block = malloc(1000, Float64Array.BYTES_PER_ELEMENT, 'zero')
const values = block.view(Float64Array)
const column = makeVector(makeData({ type: new Float64(), length: values.length, data: values }))
assert.equal(column.data[0]!.values.buffer, block.buffer)
values[0] = 0.5
modf(2.75, block.address + 8n) // C writes 2 to the second element
assert.deepEqual([column.get(0), column.get(1)], [0.5, 2])

// A table in Arrow's format for exchange, in a block that C could send or map: reading it copies nothing either.
using message = NativeBuffer.from(tableToIPC(new Table({ price: column })))
const price = tableFromIPC(message.bytes).getChild('price')!
const read = price.data[0]!.values as Float64Array
assert.equal(read.buffer, message.buffer)
assert.deepEqual([price.length, price.get(1)], [1000, 2])
message.view(Float64Array, read.byteOffset, 2)[1] = 42
assert.equal(price.get(1), 42)
console.log(`in the block: ${column.get(0)} ${column.get(1)}; in the message: ${price.get(0)} ${price.get(1)}`)

// Arrow holds views, and not the memory: after `freeNow` there is nothing to read.
block.freeNow()
assert.equal(values.length, 0)
assert.equal(column.data[0]!.values.length, 0)
console.log(`after freeNow: ${column.data[0]!.values.length} values`)
