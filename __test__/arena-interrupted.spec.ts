import test from 'ava'
import { nameOf, NODE_VERSIONS, runFixture, type Outcome } from './support/run.js'

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }
const FIXTURE = 'arena-interrupted.js'

/** What stops JavaScript, and how often. */
const SCENARIOS: Record<string, number> = { timeouts: 500, 'timeouts beside an open socket': 300, 'a full stack': 8 }

test('every scenario of arena-interrupted.js is run', async (t) => {
  const { stdout } = await runFixture(FIXTURE, ['--list'])
  t.deepEqual(stdout.trim().split('\n'), Object.keys(SCENARIOS))
})

for (const node of NODE_VERSIONS) {
  for (const [scenario, times] of Object.entries(SCENARIOS)) {
    test.serial(
      `an arena that is stopped by ${scenario}, wherever it is, hands out no byte twice, on ${nameOf(node)}`,
      async (t) => {
        const options = { node, flags: ['--expose-gc'] }
        t.deepEqual(await runFixture(FIXTURE, [scenario, String(times)], options), CLEAN)
      },
    )
  }
}
