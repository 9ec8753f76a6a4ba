/**
 * Reads a file past the page cache, straight into a block: O_DIRECT wants address, offset and length to be multiples of
 * the sector's size. Linux. Argument: a file, or this one.
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { malloc } from 'cmalloc'

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
  const length = fstatSync(file).size
  using block = malloc(Math.ceil(length / SECTOR), SECTOR, undefined, { align: SECTOR })
  const read = readSync(file, block.bytes, 0, block.byteLength, 0)
  console.log(`${read} of ${length} bytes, at a multiple of ${SECTOR}: ${block.address % BigInt(SECTOR) === 0n}`)
  console.log(block.view(Buffer, 0, read).toString().split('\n')[0])
} finally {
  closeSync(file)
}
