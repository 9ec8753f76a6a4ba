import test from 'ava'
import { inTurn, nameOf, RUNTIMES, runFixture, scenariosOf } from './support/run.js'
import { untilNothingIsInUse } from './support/memory.js'

test.before(untilNothingIsInUse)

/** `ArrayBuffer.prototype.transfer` came with Node 22. */
const TRANSFERS = /^transfer|^a transfer to another length /

program('escape-moves.js', (move) => `bytes moved by ${move} outlive whatever their handle does`)
program('escape-handle.js', (scenario) => scenario)

function program(fixture: string, title: (scenario: string) => string): void {
  for (const [index, scenario] of scenariosOf(fixture).entries()) {
    const able = RUNTIMES.filter((runtime) => runtime !== 20 || !TRANSFERS.test(scenario))
    for (const node of inTurn(index, able)) {
      test.serial(`${title(scenario)}, on ${nameOf(node)}`, async (t) => {
        const outcome = await runFixture(fixture, [scenario], { node, flags: ['--expose-gc'] })
        t.deepEqual(outcome, { code: 0, signal: null, stdout: 'done\n', stderr: '' })
      })
    }
  }
}
