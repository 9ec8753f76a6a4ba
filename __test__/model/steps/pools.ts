/** Blocks of pools: handles like any others, whose memory others had before. */

import { Pool } from 'cmalloc/pool'
import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import { kind } from '../kind.js'
import { bytesOf, length, optionalInit } from '../values.js'
import { MOST_BLOCKS } from './blocks.js'

const allocate = kind(
  'pool.malloc',
  6,
  fc.record({ scrub: fc.boolean(), byteLength: length, init: optionalInit }),
  (world, { scrub, byteLength, init }) => {
    if (world.blocks.length >= MOST_BLOCKS) return
    const pool = (world.pools[scrub ? 'scrubbing' : 'plain'] ??= new Pool({ retainBytes: 200_000, scrub }))
    const { hits, misses } = pool.stats()
    const handle = pool.malloc(byteLength, 1, init)
    const now = pool.stats()
    ensure(now.hits + now.misses === hits + misses + 1, 'a request is neither a hit nor a miss')
    const scrubbed = scrub && now.hits > hits && init === undefined
    const contents = scrubbed ? new Uint8Array(byteLength) : init === undefined ? undefined : bytesOf(init, byteLength)
    const block = world.adopt(handle, undefined, byteLength)
    ensure(contents === undefined || block.shadow.equals(contents), 'the bytes from a pool are others')
  },
)

const trim = kind('pool.trim', 1, fc.record({ scrub: fc.boolean(), to: fc.nat(200_000) }), (world, { scrub, to }) => {
  const pool = world.pools[scrub ? 'scrubbing' : 'plain']
  if (pool === undefined) return
  const { retainedBytes } = pool.stats()
  const freed = pool.trim(to)
  const left = pool.stats().retainedBytes
  ensure(left <= to && left === retainedBytes - freed, `${left} bytes are left of ${retainedBytes}`)
})

const close = kind('pool[Symbol.dispose]', 1, fc.boolean(), (world, scrub) => {
  const name = scrub ? 'scrubbing' : 'plain'
  world.pools[name]?.[Symbol.dispose]()
  world.pools[name] = undefined
})

export const POOL_KINDS = [allocate, trim, close]
