import { promisify } from 'node:util'
import { gunzipSync, gzip } from 'node:zlib'
import { malloc, stats } from 'cmalloc'
import type { Report } from './report.js'

const SIZE = 16 * 2 ** 20

/** A missing `await`: the block is freed while another thread reads it. */
export async function freeUnderAGzip(report: Report): Promise<void> {
  report.section('16 MiB that are freed while gzip is reading them, as an await is missing')
  const letGo = stats().letGoBytes
  const zipped = zip()
  report.equal('bytes that stay for gzip, stats().letGoBytes', stats().letGoBytes - letGo, SIZE)
  malloc(SIZE, 1, 'B').free() // would have their place
  const bytes = gunzipSync(await zipped)
  report.equal('bytes that gzip has read as they were', bytes.filter((byte) => byte === 65).length, SIZE)
}

function zip(): Promise<Buffer> {
  using block = malloc(SIZE, 1, 'A')
  return promisify(gzip)(block.bytes, { level: 1 })
}
