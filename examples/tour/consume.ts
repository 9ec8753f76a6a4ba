import { consume, stats } from 'cmalloc'
import { cMalloc, cMemset } from './c.js'
import { growthBy, toleranceFor } from './memory.js'
import type { Report } from './report.js'

const MIB = 2 ** 20

/** A block that C allocated becomes ours: resized, used and freed like any other. */
export function consumeAPointer(report: Report): void {
  report.section("A pointer that C's malloc returned, consumed, resized and freed")
  const before = stats()

  const pointer = { address: cMalloc(MIB) }
  cMemset(pointer.address, 0x43, MIB)
  const block = consume(pointer, MIB)
  report.equal('consume(pointer, 1 MiB): block.byteLength', block.byteLength, MIB)
  report.equal("  the old owner's address is now", pointer.address, 0n)
  report.equal('  the bytes that C wrote are there', block.view(Buffer).toString('latin1', 0, 4), 'CCCC')
  report.equal('  stats().liveBytes has grown by', stats().liveBytes - before.liveBytes, MIB)

  const growth = growthBy(() => block.resize(64 * MIB, 'zero'))
  report.about('resize(64 MiB): the process grows by', growth, 63 * MIB, toleranceFor(64 * MIB))
  report.equal('  block.residentBytes()', block.residentBytes(), 64 * MIB)
  report.equal('  the bytes that C wrote are still there', block.bytes.lastIndexOf(0x43), MIB - 1)

  const { bytes } = block
  report.about('free(): the process shrinks by', -growthBy(() => block.free()), 64 * MIB, toleranceFor(64 * MIB))
  report.equal('  a view that was made before holds so many bytes', bytes.length, 0)
  report.equal('  stats().liveBlocks has grown by', stats().liveBlocks - before.liveBlocks, 0)
}
