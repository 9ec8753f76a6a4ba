import assert from 'node:assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { malloc } from 'cmalloc'

const folder = mkdtempSync(join(tmpdir(), 'cmalloc-'))
const db = open({ path: folder, encoding: 'binary' })

// A thread of lmdb reads the bytes until the promise is fulfilled. `use` waits for that, and frees the block.
const save = (key, letter) => malloc(100_000, 1, letter).use((bytes) => db.put(key, bytes))
await Promise.all([save('one', 'A'), save('two', 'B')])
for (const key of ['one', 'two']) console.log(`${key}: ${db.getBinary(key)?.toString('latin1', 0, 4)}`)

// `putSync` is done as it returns.
const block = malloc(100_000, 1, 'C')
db.putSync('three', block.bytes)
block.freeNow()

// What lmdb reads is in memory of its own, which the next read overwrites: copy it to a block for C code.
const value = db.getBinaryFast('three')
assert.ok(value)
const copy = malloc(value.length)
copy.bytes.set(value.subarray(0, value.length)) // which is longer than its `length` says
db.getBinaryFast('one')
assert.ok(copy.bytes.every((byte) => byte === 'C'.charCodeAt(0)))
console.log(`read to a block: ${copy.view(Buffer, 0, 4)}`)
copy.free()

await db.close()
rmSync(folder, { recursive: true })
