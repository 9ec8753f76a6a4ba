import test from 'ava'
import { debug } from './support/debug-mode.js'
import { notRun } from './support/not-run.js'
import { inTurn, nameOf, only, runFixture, runSource, scenariosOf, type Runtime } from './support/run.js'

/** Those that make a `SharedArrayBuffer` over memory of C, and those that do not. */
const ABLE = only<Runtime>([22, 24, 26, 'bun'])
const UNABLE = only<Runtime>([20, 'deno'])
const CLEAN = { code: 0, signal: null, stdout: 'done\n', stderr: '' }
const flags = ['--expose-gc']

/** Bun cannot be asked what is in flight, and counts bytes by itself. */
const ON_NODE = /in flight|V8/

for (const fixture of ['shared.js', 'shared-threads.js']) {
  for (const [index, scenario] of scenariosOf(fixture).entries()) {
    const able = ABLE.filter((runtime) => typeof runtime === 'number' || !ON_NODE.test(scenario))
    // What happens in other threads is the runtime's, and so looked at on each.
    for (const node of fixture === 'shared.js' ? inTurn(index, able) : able) {
      test.serial(`of block.shared: ${scenario}, on ${nameOf(node)}`, async (t) => {
        t.deepEqual(await runFixture(fixture, [scenario], { node, flags }), CLEAN)
      })
    }
  }
}

for (const node of UNABLE) {
  test.serial(`${nameOf(node)} has no block.shared: the error says who has, and what to do`, async (t) => {
    const { stdout } = await runSource(
      `const block = require('cmalloc').malloc(100)
      try { block.shared } catch ({ code, message }) { console.log(code, message) }
      console.log(typeof block.release())`,
      { node },
    )
    t.regex(
      stdout,
      /^ERR_FEATURE_UNAVAILABLE_ON_PLATFORM This runtime .* Node 22\.23, 24\.16 and 26\.1 .* handOver\(\), or copy .*\nbigint\n$/,
    )
  })
}

for (const [index, end] of ['', 'process.exit(0)', 'process.reallyExit(0)', 'worker.terminate()'].entries()) {
  for (const node of inTurn(index, ABLE)) {
    test.serial(`a process ends with shared blocks everywhere, by '${end}', on ${nameOf(node)}`, async (t) => {
      const outcome = await runSource(
        `const { malloc } = require('cmalloc')
        const { Worker } = require('node:worker_threads')
        globalThis.blocks = Array.from({ length: 100 }, (_, index) => malloc(1000 * (index + 1)))
        const shared = blocks.map((block) => block.shared)
        for (const block of blocks.slice(50)) block.free()
        for (const block of blocks.slice(25, 50)) block.bytes
        const worker = new Worker(\`
          const { parentPort, workerData } = require('node:worker_threads')
          const { malloc } = require(\${JSON.stringify(require.resolve('cmalloc'))})
          for (const shared of workerData) new Uint8Array(shared).fill(1)
          parentPort.postMessage('done')
          const end = Date.now() + 100
          while (Date.now() < end) { const block = malloc(1000); block.shared; block.free() }\`,
          { eval: true, workerData: shared })
        worker.on('message', (message) => { console.log(message); ${end} })`,
        { node, flags },
      )
      t.deepEqual(outcome, CLEAN)
    })
  }
}

for (const node of only<Runtime>([26])) {
  test.serial(
    `the debug mode finds a write past the end of a shared block, at free(), on ${nameOf(node)}`,
    async (t) => {
      const { said, code } = await debug(
        `const block = malloc(100, 1, 7)
      const { shared } = block
      writePast(block)
      say(describe(thrown(() => block.free())).code)
      say([block.freed, thrown(() => block.shared).cause.message])
      // Its bytes are still somebody's.
      say([...new Set(new Uint8Array(shared))])`,
        { node },
      )
      t.deepEqual(said, ['ERR_CMALLOC_CORRUPTED', [true, 'The block was given up here, by free()'], [7]])
      t.is(code, 0)
    },
  )

  test.serial(`the debug mode watches a shared block until it ends, on ${nameOf(node)}`, async (t) => {
    const { said, stderr } = await debug(
      `const block = malloc(100)
      const { shared } = block
      block.free()
      const holder = (() => {
        const block = malloc(200)
        return { block, shared: block.shared }
      })()
      holder.block.free()
      setTimeout(async () => {
        holder.shared = undefined
        await collect(() => stats().liveBlocks === 1)
        say([stats().liveBlocks, shared.byteLength])
      }, 1)`,
      { node },
    )
    t.deepEqual(said, [[1, 100]])
    // Of what a handle has given up, nobody says that it was never freed.
    t.is(stderr, '')
  })
}

if (ABLE.length === 0)
  notRun('a block is shared by all threads', 'no runtime here has SharedArrayBuffers over memory of C')
