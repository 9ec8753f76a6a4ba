import assert from 'node:assert'
import { DOUBLE, DuckDBDataChunk, DuckDBInstance } from '@duckdb/node-api'
import { makeVector } from 'apache-arrow'
import { malloc } from 'cmalloc'

const ROWS = 10_000
const database = await DuckDBInstance.create(':memory:')
const connection = await database.connect()

// A column of a result, collected in one block: chunks of DuckDB have 2,048 rows.
const block = malloc(ROWS, Float64Array.BYTES_PER_ELEMENT)
const values = block.view(Float64Array)
const result = await connection.stream('select sqrt(i) as root from range(10000) numbers(i) order by i')
let rows = 0
for (let chunk = await result.fetchChunk(); chunk?.rowCount; chunk = await result.fetchChunk()) {
  const column = chunk.getColumnVector(0)
  for (let row = 0; row < chunk.rowCount; row++) values[rows++] = Number(column.getItem(row))
}
// C code gets it by `block.address`, and Arrow as a vector.
const roots = makeVector(values)
assert.deepEqual([rows, roots.get(4), roots.get(9801)], [ROWS, 2, 99])
console.log(`${rows} rows in a block: ${roots.get(4)}, ${roots.get(9801)}`)

// A block's doubles as a column: `setColumnValues` copies them to a chunk.
await connection.run('create table roots (root double)')
const appender = await connection.createAppender('roots')
for (let start = 0; start < ROWS; start += 2000) {
  const chunk = DuckDBDataChunk.create([DOUBLE], 2000)
  chunk.setColumnValues(0, [...values.subarray(start, start + 2000)])
  appender.appendDataChunk(chunk)
}
appender.closeSync()
block.freeNow()
const sum = await connection.runAndReadAll('select count(*)::integer, sum(root * root)::integer from roots')
assert.deepEqual(sum.getRows(), [[ROWS, (ROWS * (ROWS - 1)) / 2]])
console.log('in DuckDB:', ...sum.getRows()[0])

// A block as a blob: `bindBlob` copies it.
const blob = malloc(100_000, 1, 'AB')
await connection.run('create table files (content blob)')
const insert = await connection.prepare('insert into files values ($1)')
insert.bindBlob(1, blob.bytes)
blob.freeNow()
await insert.run()
const stored = await connection.runAndReadAll('select octet_length(content), left(decode(content), 4) from files')
console.log('blob:', ...stored.getRows()[0].map(String))
assert.equal(stored.getRows()[0][1], 'ABAB')
connection.closeSync()
