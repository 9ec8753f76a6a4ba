import { malloc } from 'cmalloc'
import { growthBy, toleranceFor } from './memory.js'
import type { Report } from './report.js'

const MIB = 2 ** 20
const SIZE = 256 * MIB

/** Memory that is there when malloc returns, beside memory that is only promised. */
export function becomeResident(report: Report): void {
  report.section('256 MiB from C, nothing written to it, beside a Buffer of zeros')
  const tolerance = toleranceFor(SIZE)

  let lazy: Buffer | undefined
  report.about('Buffer.alloc(256 MiB): the process grows by', growthBy(() => (lazy = Buffer.alloc(SIZE))), 0, tolerance) // prettier-ignore
  report.equal('  although its length in bytes is', lazy?.length, SIZE)
  lazy = undefined

  let block = malloc(1)
  block.free()
  report.about('malloc(256 MiB): the process grows by', growthBy(() => (block = malloc(256, MIB))), SIZE, tolerance) // prettier-ignore
  report.equal('  block.byteLength', block.byteLength, SIZE)
  report.equal('  block.residentBytes(), asked of the system', block.residentBytes(), SIZE)
  report.about("block.fill('AB'): the process grows by", growthBy(() => block.fill('AB')), 0, tolerance) // prettier-ignore
  report.equal('  the bytes at 0, 1 and the end', Buffer.from([block.bytes[0]!, block.bytes[1]!, block.bytes.at(-1)!]).toString(), 'ABB') // prettier-ignore
  report.about('block.free(): the process shrinks by', -growthBy(() => block.free()), SIZE, tolerance)
  report.equal('  block.freed', block.freed, true)
}
