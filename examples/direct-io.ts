/**
 * Reads a file past the page cache, straight into a block: O_DIRECT wants address, offset and length to be multiples of
 * the sector's size. Linux. Argument: a file, or this one.
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { Arena } from 'cmalloc/arena'

const SECTOR = 4096

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECT)
  } catch (error) {
    // Not every file system can do it; the block is aligned all the same.
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
    return openSync(path, 'r')
  }
}

const file = open(process.argv[2] ?? __filename)
try {
  using arena = new Arena({ align: SECTOR })
  const length = fstatSync(file).size
  const region = arena.malloc(Math.ceil(length / SECTOR), SECTOR)
  const read = readSync(file, region.bytes, 0, region.byteLength, 0)
  console.log(`${read} of ${length} bytes, at a multiple of ${SECTOR}: ${region.address % BigInt(SECTOR) === 0n}`)
  console.log(region.view(Buffer, 0, read).toString().split('\n')[0])
} finally {
  closeSync(file)
}
