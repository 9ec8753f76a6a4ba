/** What the cache of freed blocks may keep. */

import { malloc, stats, trim } from 'cmalloc'
import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import { kind, none } from '../kind.js'
import { length } from '../values.js'

const limit = kind('setCacheLimit', 1, fc.constantFrom(0, 100, 5000, 2 ** 20, 4 * 2 ** 20, 1e9), (world, bytes) => {
  world.cache.limit = bytes
})

const trimAll = kind('trim', 1, none, () => {
  const { cachedBytes } = stats()
  ensure(trim() === cachedBytes, 'trim returned another number')
  const { cachedBlocks, cachedBytes: left } = stats()
  ensure(cachedBlocks === 0 && left === 0, 'something is kept after trim')
})

/** The same lengths again and again, as most programs ask for. */
const again = kind(
  'malloc and free in a loop',
  3,
  fc.record({ byteLength: length, viewed: fc.boolean(), rounds: fc.nat(5) }),
  (world, { byteLength, viewed, rounds }) => {
    for (let round = 0; round <= rounds; round++) {
      const handle = world.cache.allocate(byteLength, false, () => malloc(byteLength))
      const block = world.adopt(handle, undefined, byteLength)
      block.plain = true
      if (viewed) {
        block.views.push(handle.bytes.fill(round))
        block.buffer = handle.buffer
        block.shadow.fill(round)
      }
      world.free(block, () => handle.free())
    }
  },
)

export const CACHE_KINDS = [limit, trimAll, again]
