import test from 'ava'
import { inTurn, nameOf, NODE_VERSIONS, runFixture, scenariosOf, type Outcome } from './support/run.js'

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }
const FIXTURE = 'arena-interrupted.js'

/** What stops JavaScript, and how often. */
const SCENARIOS: Record<string, number> = { timeouts: 500, 'timeouts beside an open socket': 300, 'a full stack': 8 }

test('every scenario of arena-interrupted.js is run', (t) => {
  t.deepEqual(scenariosOf(FIXTURE), Object.keys(SCENARIOS))
})

for (const [index, [scenario, times]] of Object.entries(SCENARIOS).entries()) {
  for (const node of inTurn(index, NODE_VERSIONS)) {
    test.serial(
      `an arena that is stopped by ${scenario}, wherever it is, hands out no byte twice, on ${nameOf(node)}`,
      async (t) => {
        const options = { node, flags: ['--expose-gc'] }
        t.deepEqual(await runFixture(FIXTURE, [scenario, String(times)], options), CLEAN)
      },
    )
  }
}
