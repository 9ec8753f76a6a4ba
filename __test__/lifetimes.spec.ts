import test from 'ava'
import { malloc, stats } from 'cmalloc'
import {
  inTurn,
  nameOf,
  RUNTIMES,
  OTHER_RUNTIMES,
  runFixture,
  runSource,
  scenariosOf,
  type Outcome,
} from './support/run.js'

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }
const flags = ['--expose-gc']

const HANDLES = scenariosOf('lifetime-handles.js')

const EXIT_STATES = ['live', 'viewed', 'view alone', 'escaped', 'escaped and freed', 'escaped and dropped', 'freed']
const EXITS = ['natural', 'exit', 'exit listener', 'exit listener that frees', 'after a collection', 'in a microtask']

const WORKERS = scenariosOf('lifetime-workers.js')

for (const node of RUNTIMES) {
  for (const scenario of HANDLES) {
    test.serial(`${scenario}, on ${nameOf(node)}`, async (t) => {
      t.deepEqual(await runFixture('lifetime-handles.js', [scenario], { node, flags }), CLEAN)
    })
  }
}

for (const [index, state] of EXIT_STATES.entries()) {
  for (const node of inTurn(index, RUNTIMES)) {
    test.serial(`a process with blocks that are ${state} ends cleanly in every way, on ${nameOf(node)}`, async (t) => {
      const outcomes = await Promise.all(
        EXITS.map((end) => runFixture('lifetime-exit.js', [state, end], { node, flags })),
      )
      for (const [number, outcome] of outcomes.entries()) t.deepEqual(outcome, CLEAN, EXITS[number])
    })
  }
}

for (const [index, scenario] of WORKERS.entries()) {
  // Deno does not end a thread that loops without an end.
  const isEndless = scenario.endsWith('terminate in a loop')
  const able = [...RUNTIMES, ...OTHER_RUNTIMES.filter((runtime) => runtime === 'deno')]
  for (const node of inTurn(index, isEndless ? able.filter((runtime) => runtime !== 'deno') : able)) {
    test.serial(`a thread that ends does no harm: ${scenario}, on ${nameOf(node)}`, async (t) => {
      t.deepEqual(await runFixture('lifetime-workers.js', [scenario], { node, flags }), CLEAN)
    })
  }
}

for (const node of RUNTIMES.filter((runtime) => runtime !== 20 && runtime !== 22)) {
  test.serial(`using frees at the end of the scope, on ${nameOf(node)}`, async (t) => {
    t.deepEqual(await runFixture('lifetime-using.js', [], { node }), CLEAN)
  })
}

test.serial('using frees at the end of the scope, as TypeScript compiles it', (t) => {
  const before = stats()
  let kept
  {
    using block = malloc(64, 1, 'zero')
    kept = block
    t.false(block.freed)
  }
  t.true(kept.freed)
  t.throws(
    () => {
      using block = malloc(64)
      kept = block
      throw new Error('as planned')
    },
    { message: 'as planned' },
  )
  t.true(kept.freed)
  t.is(stats().liveBlocks, before.liveBlocks)
  t.is(stats().explicitFrees - before.explicitFrees, 2)
})

test.serial('to dispose of a handle again is silent', (t) => {
  const before = stats()
  const disposed = malloc(64)
  disposed[Symbol.dispose]()
  disposed[Symbol.dispose]()
  const freed = malloc(64)
  freed.free()
  freed[Symbol.dispose]()
  t.true(disposed.freed && freed.freed)
  t.throws(() => disposed.free(), { code: 'ERR_CMALLOC_FREED' })
  t.is(stats().explicitFrees - before.explicitFrees, 2)
  t.is(stats().liveBlocks, before.liveBlocks)
})

/** Without what needs a flag of Node's. */
const EXITS_ANYWHERE = EXITS.filter((end) => end !== 'after a collection')

for (const node of OTHER_RUNTIMES) {
  test.serial(`a process ends cleanly, whatever its blocks are and however it ends, on ${nameOf(node)}`, async (t) => {
    t.timeout(4 * 60_000)
    for (const state of EXIT_STATES) {
      // oxlint-disable-next-line no-await-in-loop -- a few processes at a time
      const outcomes = await Promise.all(
        EXITS_ANYWHERE.map((end) => runFixture('lifetime-exit.js', [state, end], { node })),
      )
      for (const [index, outcome] of outcomes.entries()) {
        t.deepEqual(outcome, CLEAN, `${state}, ${EXITS_ANYWHERE[index]}`)
      }
    }
  })
}

// Where finalizers run in the collector, in whatever thread that works, or in the thread that was given the bytes.
for (const node of [...RUNTIMES, ...OTHER_RUNTIMES]) {
  test.serial(`buffers that end in the middle of a synchronous program do no harm, on ${nameOf(node)}`, async (t) => {
    const source = `
      const { malloc, stats } = require('cmalloc')
      for (let round = 0; round < 100; round++) malloc(4096).bytes[0] = 1
      const objects = []
      for (let index = 0; index < 2e6; index++) objects.push({ index })
      setTimeout(() => console.log('done'), 100)`
    t.deepEqual(await runSource(source, { node }), CLEAN)
  })
}

for (const node of OTHER_RUNTIMES) {
  test.serial(`bytes that end in the thread that they were moved to do no harm, on ${nameOf(node)}`, async (t) => {
    const source = `
      const { Worker } = require('node:worker_threads')
      const { malloc } = require('cmalloc')
      const thread = "require('node:worker_threads').parentPort.once('message', (bytes) => process.exit())"
      const worker = new Worker(thread, { eval: true })
      worker.once('exit', () => setTimeout(() => console.log('done'), 100))
      const buffer = malloc(3000).buffer.transfer()
      worker.postMessage(buffer, [buffer])`
    t.deepEqual(await runSource(source, { node }), CLEAN)
  })
}
