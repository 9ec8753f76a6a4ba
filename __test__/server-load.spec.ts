import test from 'ava'
import { serve } from './soak/serve.js'
import { MiB } from './support/memory.js'
import { nameOf, NODE_VERSIONS } from './support/run.js'

// `npm run soak:server` does it for a minute.
const SECONDS = 2
const CONNECTIONS = 32

/** How much more memory than with `Buffer` is too much. */
const MOST = 1.5

for (const node of NODE_VERSIONS) {
  test.serial(
    `a server whose blocks end under its answers needs little more than Buffers, on ${nameOf(node)}`,
    async (t) => {
      t.timeout(300_000)
      const load = { seconds: SECONDS, connections: CONNECTIONS, node }
      const buffers = await serve({ ...load, memory: 'Buffer' })
      for (const memory of ['malloc', 'Pool'] as const) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other, as each wants the machine
        const { requests, peak } = await serve({ ...load, memory })
        t.log(
          `${memory}: ${requests} answers, ${Math.round(peak / MiB)} MiB, ${(peak / buffers.peak).toFixed(2)} of Buffer`,
        )
        t.true(requests > CONNECTIONS, `${requests} answers`)
        t.true(peak < MOST * buffers.peak, `${memory}: ${peak} bytes, ${buffers.peak} with Buffer`)
      }
    },
  )
}
