/** Bytes are moved away from their block, and come back as whoever has them is collected. */

import * as fc from 'fast-check'
import { collect } from '../../random/collect.js'
import { ensure } from '../../random/ensure.js'
import { MOVES, streamOf, transfer } from '../../random/moves.js'
import { OWN } from '../../support/command.js'
import { kind, kindOf, none, pick } from '../kind.js'
import type { World } from '../world.js'
import { bytesThrough } from './contents.js'

type Move = keyof typeof MOVES

/** Those whose result has the very memory of the block; others copy it, or drop it. In Deno a message has it too. */
const MESSAGES: Move[] = OWN === 'deno' ? ['structuredClone', 'postMessage'] : []
const SHARING: ReadonlySet<Move> = new Set(['transfer', 'stream', 'read into', ...MESSAGES])

const move = kindOf('move', 4, fc.constantFrom(...(Object.keys(MOVES) as Move[])), async (world, block, by) => {
  // What moves bytes away from under a request breaks Node by itself.
  if (world.flight?.block === block) return
  const buffer = bytesThrough(block)?.buffer
  if (buffer === undefined) return
  let moved: ArrayBuffer | undefined
  try {
    moved = await MOVES[by](buffer)
  } catch (error) {
    ensure((error as Error).name === 'DataCloneError', `${by} failed: ${String(error)}`)
  }
  if (by === 'read into') block.shadow[0] = 0
  if (buffer.byteLength > 0) return ensure(moved === undefined || moved !== buffer, `${by} gave the same buffer`)
  // What is transferred to another length is copied, but a single byte has no shorter length.
  const same = SHARING.has(by) || (by === 'transfer to less' && block.shadow.length === 1)
  block.escaped = moved !== undefined && same ? 'yes' : 'perhaps'
  block.views = []
  block.buffer = undefined
  if (moved === undefined) return
  // A copy may be longer or shorter than the block.
  const copy = Buffer.alloc(moved.byteLength)
  copy.set(block.shadow.subarray(0, moved.byteLength))
  world.strays.push({ buffer: moved, shadow: block.escaped === 'yes' ? block.shadow : copy })
})

const writeStray = kind(
  'write to moved bytes',
  3,
  fc.record({ which: fc.nat(), value: fc.nat(255) }),
  (world, { which, value }) => {
    const stray = pick(world.strays, which)
    if (stray === undefined) return
    const bytes = new Uint8Array(stray.buffer)
    bytes[bytes.length - 1] = stray.shadow[bytes.length - 1] = value
  },
)

/** Once more, to yet another ArrayBuffer. */
const moveStray = kind('move moved bytes', 2, fc.nat(), async (world, which) => {
  const stray = pick(world.strays, which)
  if (stray === undefined) return
  const { buffer } = stray
  if (transfer !== undefined) stray.buffer = transfer.call(buffer)
  else stray.buffer = (await streamOf(buffer).getReader().read()).value!.buffer as ArrayBuffer
  ensure(buffer.byteLength === 0, 'it was not moved')
})

const dropStray = kind('drop moved bytes', 2, fc.nat(), (world, which) => {
  const stray = pick(world.strays, which)
  if (stray === undefined) return
  world.strays.splice(world.strays.indexOf(stray), 1)
  forget(world)
})

/** Of the blocks whose bytes nobody known has any more, whether somebody has them is not known. */
function forget(world: World): void {
  for (const block of world.blocks) {
    const held = world.strays.some(({ shadow }) => shadow === block.shadow)
    if (block.escaped === 'yes' && !held) block.escaped = 'perhaps'
  }
}

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))

/** Whatever was dropped is collected: then every block can be had whole again. */
const comeBack = kind('drop all moved bytes, and collect', 1, none, async (world) => {
  world.strays = []
  forget(world)
  const away = (): boolean => world.blocks.some((block) => block.escaped !== 'no' && bytesThrough(block) === undefined)
  for (let round = 0; away(); round++) {
    ensure(round < 100, 'the bytes of a collected ArrayBuffer did not come back')
    collect('everything')
    // oxlint-disable-next-line no-await-in-loop -- finalizers run one turn after the other
    await turn()
  }
})

const collectYoung = kind('gc', 1, fc.boolean(), (world, keepViews) => {
  if (!keepViews) for (const block of world.blocks) block.views = []
  collect('young')
})

const takeTurn = kind('turn', 1, none, turn)

export const ESCAPE_KINDS = [move, writeStray, moveStray, dropStray, comeBack, collectYoung, takeTurn]
