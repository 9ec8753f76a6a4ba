import test from 'ava'
import { nameOf, RUNTIMES, runFixture, type NodeVersion } from './support/run.js'
import { untilNothingIsInUse } from './support/memory.js'

test.before(untilNothingIsInUse)

/** The ways to move the bytes out of the ArrayBuffer that cmalloc made, and the first Node that has each. */
const MOVES: Record<string, NodeVersion> = {
  transfer: 22,
  transferToFixedLength: 22,
  'a byte stream': 20,
  'a second transfer': 20,
  'a structured clone': 20,
  'a message port': 20,
  'a message to a worker': 20,
}

const SCENARIOS: Record<string, NodeVersion> = {
  'a free leaves the bytes to their ArrayBuffer, and stats says so': 20,
  'a resize leaves the old bytes to their ArrayBuffer, and stats says so': 20,
  'a dropped handle leaves the bytes to their ArrayBuffer': 20,
  'the bytes come back to the handle as their other ArrayBuffer is collected': 20,
  'the bytes come back again and again': 20,
  'a free after the bytes came back is an ordinary one': 20,
  'release and consume work again after the bytes came back': 20,
  'a transfer to another length leaves the handle its bytes': 22,
  'a transfer list cannot take the buffer away: Node 20 copies, later versions refuse': 20,
  'an untransferable buffer does not abort free': 20,
  'an untransferable buffer does not abort dispose': 20,
  'an untransferable buffer does not abort resize': 20,
  'an untransferable buffer does not abort release': 20,
  'an untransferable buffer does not abort consume': 20,
  'an untransferable buffer does not abort a collection': 20,
}

program('escape-moves.js', MOVES, (move) => `bytes moved by ${move} outlive whatever their handle does`)
program('escape-handle.js', SCENARIOS, (scenario) => scenario)

function program(fixture: string, scenarios: Record<string, NodeVersion>, title: (scenario: string) => string): void {
  test.serial(`every scenario of ${fixture} is run`, async (t) => {
    const { stdout } = await runFixture(fixture, ['--list'])
    t.deepEqual(stdout.trim().split('\n'), Object.keys(scenarios))
  })

  for (const [scenario, since] of Object.entries(scenarios)) {
    for (const node of RUNTIMES.filter((runtime) => typeof runtime === 'string' || runtime >= since)) {
      test.serial(`${title(scenario)}, on ${nameOf(node)}`, async (t) => {
        const outcome = await runFixture(fixture, [scenario], { node, flags: ['--expose-gc'] })
        t.deepEqual(outcome, { code: 0, signal: null, stdout: 'done\n', stderr: '' })
      })
    }
  }
}
