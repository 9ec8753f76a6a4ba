import { malloc } from 'cmalloc'
import { cStrlen } from './c.js'
import type { Report } from './report.js'
import { text } from './text.js'

/** C finds the end of a text by the zero behind it. */
export function measureTheText(report: Report): void {
  report.section("A text with a zero behind it, measured by C's strlen")
  // The text fills the block once, all but the last byte.
  using copy = malloc(text.length + 1, 1, 'zero').fill(text, 0, text.length)
  report.equal('strlen of the whole text', cStrlen(copy.address), text.length)
  const line = text.indexOf('\n')
  copy.fill('zero', line, line + 1)
  report.equal('strlen with a zero at the end of the first line', cStrlen(copy.address), line)
}
