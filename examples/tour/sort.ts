import { malloc, type NativeBuffer } from 'cmalloc'
import { addressOfStrcmp, cQsort } from './c.js'
import type { Report } from './report.js'
import { text } from './text.js'

/** C's qsort sorts the words of a text, in memory that JavaScript wrote and then reads. */
export function sortWords(report: Report): void {
  const words = text.match(/[A-Za-z]+/g)!
  const width = Math.max(...words.map((word) => word.length)) + 1
  report.section(`${words.length} words in records of ${width} bytes, sorted in place by C's qsort with C's strcmp`)

  using records = malloc(words.length, width, 'zero')
  write(records, words, width)
  cQsort(records.address, words.length, width, addressOfStrcmp)

  const sorted = read(records, words.length, width)
  const expected = words.toSorted()
  report.equal('words that are where JavaScript would sort them', sorted.filter((word, i) => word === expected[i]).length, words.length) // prettier-ignore
  report.equal('the first and the last word', `${sorted[0]}, ${sorted.at(-1)}`, `${expected[0]}, ${expected.at(-1)}`)
}

function write(records: NativeBuffer, words: readonly string[], width: number): void {
  const bytes = records.view(Buffer)
  for (const [position, word] of words.entries()) bytes.write(word, position * width, 'latin1')
}

function read(records: NativeBuffer, count: number, width: number): string[] {
  const bytes = records.view(Buffer)
  return Array.from({ length: count }, (_, position) => {
    const start = position * width
    return bytes.toString('latin1', start, bytes.indexOf(0, start))
  })
}
