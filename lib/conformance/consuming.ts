/** What an allocator keeps that takes blocks over. Those that have no `consume` have nothing to keep. */

import type { AddressRef } from '../core/consume.js'
import { malloc } from '../core/malloc.js'
import { define, freeAll, type Rule } from './rule.js'

/** A block that C's `malloc` made, of 100 times the letter F. */
function foreign(): AddressRef {
  return { address: malloc(100, 1, 'F').release() }
}

export const RULES: readonly Rule[] = [
  define('consume keeps the contents, and sets the address of its source to zero', (allocator, must) => {
    if (allocator.consume === undefined) return
    for (const length of [100, 50, 5000]) {
      const source = foreign()
      const buffer = allocator.consume(source, length)
      must.be('the address of the source', source.address, 0n)
      must.be(`byteLength of consume(source, ${length})`, buffer.byteLength, length)
      must.contain(`consume(source, ${length})`, buffer.bytes.subarray(0, 100), () => 70)
      freeAll(allocator, [buffer])
    }
  }),

  define('a consume that is refused leaves its source as it was', (allocator, must) => {
    if (allocator.consume === undefined) return
    const source = foreign()
    const { address } = source
    for (const length of [0, -1, 1.5, NaN]) {
      must.throw(`consume(source, ${length})`, RangeError, () => allocator.consume!(source, length))
      must.be('the address of the source', source.address, address)
    }
    freeAll(allocator, [allocator.consume(source, 100)])
    must.throw('consume of an address that was taken', Error, () => allocator.consume!(source, 100))
    for (const wrong of [undefined, null, {}, { address: '1' }]) {
      must.throw('consume of what has no address', TypeError, () => allocator.consume!(wrong as never, 100))
    }
  }),
]
