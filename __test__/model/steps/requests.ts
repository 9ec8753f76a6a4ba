/** Requests in flight have bytes, whatever becomes of their block meanwhile. */

import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import { kind, kindOf, none, pick } from '../kind.js'
import { HAS_REQUESTS, startRequest } from '../request.js'
import { bytesThrough } from './contents.js'

const start = kindOf('start a request', 3, none, (world, block) => {
  if (!HAS_REQUESTS || world.flight !== undefined) return
  const bytes = bytesThrough(block)
  if (bytes === undefined) return
  world.flight = { block, bytes, shadow: block.shadow, request: startRequest(bytes) }
})

const complete = kind('complete the request', 2, fc.nat(255), (world, byte) => world.land(byte))

const freeNow = kindOf('freeNow', 2, none, (world, block) => {
  // It would pull the bytes from under the request, as it says.
  if (block.pins.length > 0 || world.flight?.block === block) return
  world.cache.free(block, 'gone', () => block.handle.freeNow())
  world.end(block)
})

const writeHeld = kind(
  'write to bytes that were let go',
  3,
  fc.record({ which: fc.nat(), value: fc.nat(255) }),
  ({ held }, { which, value }) => {
    const found = pick(held, which)
    if (found === undefined) return
    const bytes = new Uint8Array(found.buffer)
    bytes[bytes.length - 1] = found.shadow[bytes.length - 1] = value
  },
)

const dropHeld = kind('drop bytes that were let go', 2, fc.nat(), ({ held }, which) => {
  const found = pick(held, which)
  if (found === undefined) return
  ensure(found.buffer.byteLength === found.shadow.length, 'bytes that were let go are gone')
  held.splice(held.indexOf(found), 1)
})

export const REQUEST_KINDS = [start, complete, freeNow, writeHeld, dropHeld]
