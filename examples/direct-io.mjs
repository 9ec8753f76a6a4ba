import assert from 'node:assert'
import { createHash, randomBytes } from 'node:crypto'
import { constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'cmalloc/pool'

const SECTOR = 4096
const CHUNK = 256 * SECTOR // 1 MiB

/** Past the page cache, where the system and the file system can do that. The blocks are aligned all the same. */
async function openDirect(path) {
  try {
    return await open(path, constants.O_RDONLY | (constants.O_DIRECT ?? 0))
  } catch (error) {
    if (Object(error).code !== 'EINVAL') throw error
    return open(path)
  }
}

/** O_DIRECT wants address, offset and length to be multiples of the sector's size. The last chunk comes out shorter. */
async function sha256(path, pool) {
  const hash = createHash('sha256')
  const file = await openDirect(path)
  try {
    // One chunk is read by the system as the one before it is hashed.
    let reading = read(file, pool, 0)
    for (let offset = CHUNK; ; offset += CHUNK) {
      const { block, bytesRead } = await reading
      const last = bytesRead < CHUNK
      if (!last) reading = read(file, pool, offset)
      hash.update(block.view(Uint8Array, 0, bytesRead))
      block.freeNow() // to the pool: it was read, and it was hashed
      if (last) return hash.digest('hex')
    }
  } finally {
    await file.close()
  }
}

async function read(file, pool, offset) {
  const block = pool.malloc(CHUNK)
  assert.equal(block.address % BigInt(SECTOR), 0n)
  const { bytesRead } = await file.read(block.bytes, 0, CHUNK, offset)
  return { block, bytesRead }
}

const folder = mkdtempSync(join(tmpdir(), 'cmalloc-'))
const pool = new Pool({ retainBytes: 2 * CHUNK, align: SECTOR })
try {
  const path = join(folder, 'file')
  const content = randomBytes(8 * CHUNK + 1000)
  writeFileSync(path, content)
  assert.equal(await sha256(path, pool), createHash('sha256').update(content).digest('hex'))
  const { hits, misses } = pool.stats()
  console.log(
    `the SHA-256 of ${content.length} bytes is right; ${misses} blocks were made, and used ${hits} times more`,
  )
} finally {
  pool[Symbol.dispose]()
  rmSync(folder, { recursive: true })
}
