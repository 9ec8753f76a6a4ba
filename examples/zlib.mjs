import assert from 'node:assert'
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip, gunzipSync, gzip, gzipSync } from 'node:zlib'
import { malloc } from 'cmalloc'

const SIZE = 1_000_000
const check = (how, compressed) => {
  assert.ok(gunzipSync(compressed).equals(Buffer.alloc(SIZE, how[0])))
  console.log(`${how}: right`)
}

// In one call: it is done as it returns.
const block = malloc(SIZE, 1, 's')
try {
  check('synchronous', gzipSync(block.bytes))
} finally {
  block.free()
}

// In the thread pool: `use` frees the block as the promise is settled.
check('promise', await malloc(SIZE, 1, 'p').use((bytes) => promisify(gzip)(bytes)))

// Through a stream of Node: it reads the bytes in many jobs, until it has ended.
const folder = mkdtempSync(join(tmpdir(), 'cmalloc-'))
const path = join(folder, 'compressed')
await malloc(SIZE, 1, 'f').use((bytes) => pipeline([bytes], createGzip(), createWriteStream(path)))
check('file', readFileSync(path))
rmSync(folder, { recursive: true })

// Through a stream of the web: write and read at once, as it waits for a reader.
async function compress(bytes) {
  const stream = new CompressionStream('gzip')
  const writer = stream.writable.getWriter()
  const writing = writer.write(bytes).then(() => writer.close())
  const [compressed] = await Promise.all([buffer(stream.readable), writing])
  return compressed
}
check('web', await malloc(SIZE, 1, 'w').use(compress))
