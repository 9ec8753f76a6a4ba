import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { malloc } from 'cmalloc'
import type { Report } from './report.js'
import { PATH } from './text.js'

/** The system writes a file straight into the block: there is no copy in between. */
export function readAFile(report: Report): void {
  report.section('A file, read by the system straight into a view of the block')
  const file = openSync(PATH, 'r')
  try {
    using block = malloc(fstatSync(file).size)
    report.equal('fs.readSync(file, block.bytes) returns', readSync(file, block.bytes), block.byteLength)
    report.equal('SHA-256 of the block, its first digits', digest(block.bytes), digest(readFileSync(PATH)))
  } finally {
    closeSync(file)
  }
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16)
}
