import test from 'ava'
import { nameOf, OTHER_RUNTIMES, RUNTIMES, runFixture, type Outcome } from './support/run.js'

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }

for (const node of [...RUNTIMES, ...OTHER_RUNTIMES]) {
  test.serial(
    `an ArrayBuffer that leads to its block goes with it as the loop turns, on ${nameOf(node)}`,
    async (t) => {
      t.deepEqual(await runFixture('turns.js', [], { node, flags: ['--expose-gc'] }), CLEAN)
    },
  )
}
