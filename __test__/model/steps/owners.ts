/** Blocks change owners: handles, tickets, C. */

import { consume, handOver, takeOver, type AddressRef, type NativeBuffer } from 'cmalloc'
import * as fc from 'fast-check'
import { ensure } from '../../random/ensure.js'
import * as libc from '../../support/libc.js'
import { kind, kindOf, mustThrow, none, pick, unlessEscaped } from '../kind.js'
import { length, position } from '../values.js'
import { Foreign, shadowOf, type Block, type World } from '../world.js'

/** Blocks of C at most. */
const MOST_FOREIGN = 10

/** Takes a block out of its handle, if nothing speaks against that. */
function take<T>(world: World, block: Block, call: (handle: NativeBuffer) => T): { value: T } | undefined {
  const { handle, pins } = block
  // It would pull the bytes from under the request: these calls are explicit, and do not ask.
  if (world.flight?.block === block) return undefined
  block.plain = false
  if (pins.length === 0 && block.shared === undefined) return unlessEscaped(block, () => call(handle))
  mustThrow(pins.length > 0 ? 'ERR_CMALLOC_PINNED' : 'ERR_CMALLOC_ESCAPED', () => call(handle))
  return undefined
}

const release = kindOf('release', 3, none, (world, block) => {
  const { address } = block.handle
  if (block.options.secure === true && block.pins.length === 0)
    return mustThrow('ERR_CMALLOC_SECURE', () => block.handle.release())
  const released = take(world, block, (handle) => handle.release())
  if (released === undefined) return
  ensure(released.value === address, 'release returned another address')
  world.foreign.push(new Foreign(address, block.shadow))
  world.end(block)
})

const allocateInC = kind('malloc in C', 2, length, (world, byteLength) => {
  if (world.foreign.length >= MOST_FOREIGN) return
  const address = libc.malloc(byteLength)
  world.foreign.push(new Foreign(address, shadowOf(address, undefined, byteLength)))
})

const freeInC = kind('free in C', 2, fc.nat(), (world, which) => {
  const [block] = world.foreign.splice(which % Math.max(world.foreign.length, 1), 1)
  if (block !== undefined) libc.free(block.address)
})

const consumePointer = kind(
  'consume a pointer',
  4,
  fc.record({ which: fc.nat(), as: fc.constantFrom('bigint', 'number'), to: length }),
  (world, { which, as, to }) => {
    const [block] = world.foreign.splice(which % Math.max(world.foreign.length, 1), 1)
    if (block === undefined) return
    const ref: AddressRef = { address: as === 'bigint' ? block.address : Number(block.address) }
    const handle = consume(ref, to)
    ensure(ref.address === (as === 'bigint' ? 0n : 0), 'the address was not set to zero')
    world.adopt(handle, block.shadow, to)
  },
)

const consumeHandle = kindOf('consume a handle', 3, length, (world, block, to) => {
  const { options, shadow } = block
  const moved = take(world, block, (handle) => consume(handle, to))
  if (moved === undefined) return
  world.end(block)
  world.adopt(moved.value, shadow, to, options)
})

const consumeOwned = kindOf('consume what a handle owns', 2, position, (_world, { handle, shadow }, at) => {
  // Misaligned addresses are refused as such.
  const offset = Math.floor((at * (shadow.length - 1)) / 16) * 16
  const ref = { address: handle.address + BigInt(offset) }
  const { address } = ref
  mustThrow('ERR_CMALLOC_ALREADY_OWNED', () => consume(ref, 1))
  ensure(ref.address === address, 'a refused call changed the source')
})

const giveAway = kindOf('handOver', 3, none, (world, block) => {
  const { options, shadow } = block
  const given = take(world, block, handOver)
  if (given === undefined) return
  ensure(given.value.byteLength === shadow.length, 'the ticket is for another length')
  world.tickets.push({ ticket: structuredClone(given.value), shadow, options })
  world.end(block)
})

const accept = kind('takeOver', 4, fc.nat(), (world, which) => {
  const given = pick(world.tickets, which)
  if (given === undefined) return
  world.tickets.splice(world.tickets.indexOf(given), 1)
  const handle = takeOver(given.ticket)
  mustThrow('ERR_CMALLOC_BAD_TICKET', () => takeOver(given.ticket))
  const block = world.adopt(handle, undefined, given.shadow.length, given.options)
  // Not what it holds, but what it must hold.
  block.shadow = given.shadow
})

export const OWNER_KINDS = [
  release,
  allocateInC,
  freeInC,
  consumePointer,
  consumeHandle,
  consumeOwned,
  giveAway,
  accept,
]
