import test from 'ava'
import { serve } from './soak/serve.js'
import { MiB } from './support/memory.js'
import { nameOf, NODE_VERSIONS } from './support/run.js'

// `npm run soak:server` does it for a minute.
const SECONDS = 2
const CONNECTIONS = 32

/** How much more memory than with `Buffer` is too much. */
const MOST = 1.5
const ATTEMPTS = 3

for (const node of NODE_VERSIONS) {
  test.serial(
    `a server whose blocks end under its answers needs little more than Buffers, on ${nameOf(node)}`,
    async (t) => {
      t.timeout(300_000)
      const load = { seconds: SECONDS, connections: CONNECTIONS, node }
      /* oxlint-disable no-await-in-loop -- one after the other, as each wants the machine */
      for (const memory of ['malloc', 'Pool'] as const) {
        // A peak of seconds depends on when the collector runs. What is kept for good is too much each time.
        let ratio = Infinity
        for (let attempt = 0; attempt < ATTEMPTS && ratio >= MOST; attempt++) {
          const buffers = await serve({ ...load, memory: 'Buffer' })
          const { requests, peak } = await serve({ ...load, memory })
          ratio = peak / buffers.peak
          t.log(`${memory}: ${requests} answers, ${Math.round(peak / MiB)} MiB, ${ratio.toFixed(2)} of Buffer`)
          t.true(requests > CONNECTIONS, `${requests} answers`)
        }
        t.true(ratio < MOST, `${memory}: ${ratio} of Buffer`)
      }
    },
  )
}
