/** Regions come one by one, and go together. */

import * as fc from 'fast-check'
import type { Arena, Mark } from 'cmalloc/arena'
import { ensure } from '../../random/ensure.js'
import * as libc from '../../support/libc.js'
import { kind, mustThrow, none, pick } from '../kind.js'
import { bytesOf, length, optionalInit } from '../values.js'

const MOST_REGIONS = 60

const allocate = kind(
  'arena.malloc',
  4,
  fc.array(fc.record({ byteLength: length, init: optionalInit, align: fc.constantFrom(undefined, 1, 64, 4096) }), {
    minLength: 1,
    maxLength: 8,
  }),
  ({ arena: model }, made) => {
    for (const { byteLength, init, align } of made) {
      if (model.regions.length >= MOST_REGIONS) return
      const options = align === undefined ? undefined : { align }
      const region = model.arena.malloc(byteLength, 1, init, options)
      ensure(region.address % BigInt(align ?? 16) === 0n, `a region is not aligned to ${align ?? 16}`)
      model.adopt(region, init === undefined ? undefined : bytesOf(init, byteLength))
    }
  },
)

const write = kind(
  'write to a region',
  2,
  fc.record({ which: fc.nat(), byte: fc.nat(255), inC: fc.boolean() }),
  ({ arena: model }, { which, byte, inC }) => {
    const live = pick(model.regions, which)
    if (live === undefined) return
    if (inC) libc.memset(live.region.address, byte, live.shadow.length)
    else live.region.bytes.fill(byte)
    live.shadow.fill(byte)
  },
)

const freeOne = kind('arena.free', 2, fc.nat(), ({ arena: model }, which) => {
  const live = pick(model.regions, which)
  if (live === undefined) return
  model.arena.free(live.region)
  model.end((it) => it === live)
  mustThrow('ERR_CMALLOC_FREED', () => model.arena.free(live.region))
})

const mark = kind('arena.mark', 2, none, ({ arena: model }) => {
  if (model.marks.length < 5) model.marks.push(model.arena.mark())
})

const rewind = kind(
  'arena.rewind',
  2,
  fc.record({ way: fc.constantFrom('rewind', 'rewindNow', 'dispose'), which: fc.nat() }),
  ({ arena: model }, { way, which }) => {
    const depth = model.marks.length - 1
    const last = model.marks[depth]
    if (last === undefined) return
    const earlier = pick(model.marks, which)!
    if (earlier !== last) mustThrow('ERR_INVALID_STATE', () => endBy(way, model.arena, earlier))
    endBy(way, model.arena, last)
    model.end((live) => live.depth > depth)
    if (way === 'dispose') model.endMarks(depth)
  },
)

function endBy(way: 'rewind' | 'rewindNow' | 'dispose', arena: Arena, open: Mark): void {
  if (way === 'dispose') open[Symbol.dispose]()
  else arena[way](open)
}

const rewindTooLate = kind('arena.rewind to a mark that is not open', 1, fc.nat(), ({ arena: model }, which) => {
  const stale = pick(model.staleMarks, which)
  if (stale === undefined) return
  mustThrow('ERR_INVALID_ARG_VALUE', () => model.arena.rewind(stale))
  mustThrow('ERR_INVALID_ARG_VALUE', () => model.arena.rewindNow(stale))
  stale[Symbol.dispose]()
})

const reset = kind('arena.reset', 1, fc.boolean(), ({ arena: model }, now) => {
  if (now) model.arena.resetNow()
  else model.arena.reset()
  model.end(() => true)
  model.endMarks(0)
})

const pin = kind('pin a region', 1, fc.nat(), ({ arena: model }, which) => {
  const live = pick(model.regions, which)
  if (live === undefined) return
  const held = live.region.pin()
  mustThrow('ERR_CMALLOC_PINNED', () => model.arena.reset())
  mustThrow('ERR_CMALLOC_PINNED', () => model.arena.free(live.region))
  held.unpin()
})

export const ARENA_KINDS = [allocate, write, freeOne, mark, rewind, rewindTooLate, reset, pin]
