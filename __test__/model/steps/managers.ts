/** Managers, of memory of every allocator. */

import { MemManager, type MemManagerOptions } from 'cmalloc/mem-manager'
import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import * as libc from '../../support/libc.js'
import { kind, mustThrow, pick } from '../kind.js'
import { bytesOf, length, optionalInit, position, rangeOf } from '../values.js'
import type { Manager, World } from '../world.js'

const MOST_MANAGERS = 20

const ALLOCATORS: Record<Manager['allocator'], (world: World) => MemManagerOptions['allocator']> = {
  CMalloc: () => 'CMalloc',
  ArrayBuffer: () => 'ArrayBuffer',
  Pool: ({ pools }) => pools.plain,
  Arena: ({ arena }) => arena.arenaOfManagers,
}

const create = kind(
  'new MemManager',
  5,
  fc.record({
    allocator: fc.constantFrom(...(Object.keys(ALLOCATORS) as Manager['allocator'][])),
    byteLength: length,
    init: optionalInit,
    stub: fc.boolean(),
  }),
  (world, { allocator: name, byteLength, init, stub }) => {
    if (world.managers.length >= MOST_MANAGERS) return
    const deaths = { count: 0 }
    const handle = new MemManager(byteLength, 1, {
      allocator: ALLOCATORS[name](world) ?? 'CMalloc',
      init,
      // It must not refer to the manager, which it would keep alive.
      deathStub: stub ? () => (deaths.count += 1) : undefined,
    })
    const shadow = Buffer.from(handle.extractBufferRegion())
    ensure(init === undefined || shadow.equals(bytesOf(init, byteLength)), 'the bytes of a new manager are others')
    world.managers.push({ handle, shadow, deaths, hasStub: stub, allocator: name })
  },
)

const write = kind(
  'write to a manager',
  3,
  fc.record({ which: fc.nat(), byte: fc.nat(255), inC: fc.boolean() }),
  ({ managers }, { which, byte, inC }) => {
    const manager = pick(managers, which)
    if (manager === undefined) return
    const { handle, shadow } = manager
    if (inC) libc.memset(handle.buffer, byte, shadow.length)
    else (handle.getView<Uint8Array>('all') ?? handle.createView(Uint8Array, { name: 'all' })).fill(byte)
    shadow.fill(byte)
  },
)

const extract = kind(
  'extractBufferRegion',
  3,
  fc.record({ which: fc.nat(), ends: fc.tuple(position, position) }),
  ({ managers }, { which, ends }) => {
    const manager = pick(managers, which)
    if (manager === undefined) return
    const { handle, shadow } = manager
    const [from, to] = rangeOf(ends, shadow.length)
    if (from === to) return mustThrow('ERR_OUT_OF_RANGE', () => handle.extractBufferRegion(from, shadow.length))
    ensure(shadow.subarray(from, to).equals(handle.extractBufferRegion(from, to - 1)), 'a region holds other bytes')
  },
)

const free = kind(
  'free of a manager',
  3,
  fc.record({ which: fc.nat(), bySymbol: fc.boolean() }),
  (world, { which, bySymbol }) => {
    const { managers } = world
    const index = which % Math.max(managers.length, 1)
    const [manager] = managers.splice(index, 1)
    if (manager === undefined) return
    const { allocator, handle, deaths, hasStub, shadow } = manager
    const view = handle.getView<Uint8Array>('all')
    if (bySymbol) handle[Symbol.dispose]()
    else handle.free()
    ensure(handle.freed && handle.bufferSize === 0, 'a manager outlived its end')
    ensure(deaths.count === Number(hasStub), `the death stub was called ${deaths.count} times`)
    mustThrow('ERR_CMALLOC_FREED', () => handle.free())
    // Views of a region are not told of its end.
    if (view === undefined || allocator === 'Arena') return
    if (world.flight === undefined || allocator === 'ArrayBuffer')
      ensure(view.length === 0, 'a view outlived its manager')
    else world.hold(view.buffer as ArrayBuffer, shadow)
  },
)

const drop = kind('drop of a manager', 1, fc.nat(), ({ managers }, which) => {
  managers.splice(which % Math.max(managers.length, 1), 1)
})

export const MANAGER_KINDS = [create, write, extract, free, drop]
