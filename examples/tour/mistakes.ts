import { consume, free, malloc, type NativeBuffer } from 'cmalloc'
import type { Report } from './report.js'

/** What C would answer with a crash, or with nothing, is an error with a code. */
export function makeMistakes(report: Report): void {
  report.section('Mistakes, and the errors that say so')
  const freed = malloc(100)
  freed.free()
  report.throws('free a block twice', () => free(freed), 'ERR_CMALLOC_FREED')
  report.throws('use a block after it was freed', () => freed.fill('A'), 'ERR_CMALLOC_FREED')

  using block = malloc(100)
  report.throws('consume a block that is owned', () => stealFrom(block), 'ERR_CMALLOC_ALREADY_OWNED')
  report.throws('malloc(-1)', () => malloc(-1), 'ERR_OUT_OF_RANGE')
  report.throws('malloc(1 PiB)', () => malloc(2 ** 50), 'ERR_CMALLOC_OUT_OF_MEMORY')
  report.throws('fill with the byte 300', () => block.fill(300), 'ERR_OUT_OF_RANGE')
  report.equal('after all that, the block is still there', block.byteLength, 100)
}

function stealFrom({ address }: NativeBuffer): void {
  consume({ address }, 100)
}
