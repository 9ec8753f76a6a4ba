import assert from 'node:assert'
import { makeVector, Table, tableFromIPC, tableToIPC } from 'apache-arrow'
import koffi from 'koffi'
import { malloc, NativeBuffer } from 'cmalloc'

const libc = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null)
const modf = libc.func('double modf(double value, void *whole)')

// The column's values are the block's bytes: C and JavaScript write them, Arrow reads them, nobody copies them.
const block = malloc(1000, Float64Array.BYTES_PER_ELEMENT, 'zero')
const values = block.view(Float64Array)
const column = makeVector(values)
values[0] = 0.5
modf(2.75, values.subarray(1)) // C writes 2 to the second element
assert.deepEqual([column.get(0), column.get(1)], [0.5, 2])

// A table in Arrow's format for exchange, in a block that C could send or map: reading it copies nothing either.
const message = NativeBuffer.from(tableToIPC(new Table({ price: column })))
const price = tableFromIPC(message.bytes).getChild('price')
assert.ok(price)
const read = price.data[0].values
assert.equal(read.buffer, message.buffer)
message.view(Float64Array, read.byteOffset, 2)[1] = 42
assert.equal(price.get(1), 42)
console.log(`in the block: ${column.get(0)} ${column.get(1)}; in the message: ${price.get(0)} ${price.get(1)}`)

// Arrow holds views, and not the memory: after the free there is nothing to read.
block.freeNow()
message.freeNow()
assert.equal(column.data[0].values.length, 0)
console.log(`after freeNow: ${column.data[0].values.length} values`)
