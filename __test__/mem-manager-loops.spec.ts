/** What many managers cost, and what becomes of those that a synchronous loop drops. */

import test from 'ava'
import { MiB } from './support/memory.js'
import { nameOf, RUNTIMES, runFixture } from './support/run.js'

const ROUNDS = 80

// Deno collects no garbage for what it is told of memory.
for (const node of RUNTIMES.filter((runtime) => runtime !== 'deno')) {
  for (const allocator of ['CMalloc', 'ArrayBuffer']) {
    test.serial(
      `a synchronous loop that drops ${allocator} managers does not pile them up, on ${nameOf(node)}`,
      async (t) => {
        const args = [allocator, String(ROUNDS), String(64 * MiB)]
        const { stdout, stderr } = await runFixture('mem-manager-loop.js', args, { node })
        t.is(stderr, '')
        const report = JSON.parse(stdout) as { done: number; error?: object; peak: number }
        t.deepEqual([report.done, report.error], [ROUNDS, undefined])
        // Piled up they would be 5e9. When ArrayBuffers are collected is up to the runtime: with Bun up to 1e9 are there.
        t.true(report.peak < 2e9, `${report.peak} bytes were resident`)
      },
    )
  }

  test.serial(`an address that comes again in a synchronous loop is no overlap, on ${nameOf(node)}`, async (t) => {
    const outcome = await runFixture('mem-manager-ends.js', ['addresses that come again'], { node })
    t.deepEqual(outcome, { code: 0, signal: null, stdout: 'done\n', stderr: '' })
  })
}
