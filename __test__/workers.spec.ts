import test, { type ExecutionContext } from 'ava'
import { MiB } from './support/memory.js'
import {
  inTurn,
  nameOf,
  OTHER_RUNTIMES,
  RUNTIMES,
  runFixture,
  scenariosOf,
  type Runtime,
  type Outcome,
} from './support/run.js'

/** `npm run test:workers` starts many more threads. */
const MANY = process.argv.includes('--full')

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }
const flags = ['--expose-gc']

const TICKETS = {
  'there and back': 'a block goes to another thread and back without a copy, and the counts follow it',
  'a race': 'of threads that race for a ticket exactly one gets the block',
  'what is no ticket': 'a ticket that is forged, used, malformed or of another process takes nothing',
  'what nobody takes': 'a ticket that nobody takes keeps its block, after its thread too',
  'what cannot be handed over': 'a block that is freed, pinned or escaped cannot be handed over',
  'dropped in a thread': 'a thread collects what it drops, with views and without',
  'slots of its own': 'each thread has slots of its own',
}

/** Of a process whose main thread has not loaded cmalloc. */
const LAST = {
  'to another worker': 'a ticket outlives the last thread that loaded cmalloc, and another worker takes it',
  'to the main thread': 'a ticket outlives the last thread that loaded cmalloc, and the main thread takes it',
  'the same ticket twice': 'of threads that hand over with one ticket one succeeds, and the others keep their blocks',
}

const STATES = scenariosOf('workers-ends.js')

test.serial('every scenario of workers-tickets.js is run', (t) => {
  t.deepEqual(scenariosOf('workers-tickets.js'), Object.keys(TICKETS))
})

for (const node of MANY ? [] : [...RUNTIMES, ...OTHER_RUNTIMES]) {
  for (const [scenario, title] of Object.entries(LAST)) {
    test.serial(`${title}, on ${nameOf(node)}`, async (t) => {
      t.deepEqual(await runFixture('workers-last.js', [scenario], { node, flags }), CLEAN)
    })
  }
}

for (const node of MANY ? [] : RUNTIMES) {
  for (const [scenario, title] of Object.entries(TICKETS)) {
    test.serial(`${title}, on ${nameOf(node)}`, async (t) => {
      t.deepEqual(await runFixture('workers-tickets.js', [scenario], { node, flags }), CLEAN)
    })
  }
}

for (const [index, state] of (MANY ? [] : STATES).entries()) {
  // Bun and Deno cannot be asked what is in flight.
  const askedOnly = /(freed|resized) with/.test(state)
  for (const node of inTurn(index, RUNTIMES).filter((each) => typeof each === 'number' || !askedOnly)) {
    test.serial(
      `a thread whose blocks are ${state} leaves nothing behind, however it ends, on ${nameOf(node)}`,
      async (t) => {
        t.deepEqual(await runFixture('workers-ends.js', [state], { node, flags }), CLEAN)
      },
    )
  }
}

// Deno does not end a thread that loops without an end.
for (const node of MANY ? [] : [...RUNTIMES, ...OTHER_RUNTIMES].filter((runtime) => runtime !== 'deno')) {
  test.serial(`a thread that is ended in the middle of free() leaves nothing behind, on ${nameOf(node)}`, async (t) => {
    t.deepEqual(await runFixture('workers-amid-free.js', [], { node, flags }), CLEAN)
  })
}

/** What the fixture with the threads that end at random moments tells. */
interface Report {
  exited: number
  terminated: number
  leaked: number
  leakedBytes: number
  /** Only with glibc, which can be asked. */
  memory?: Memory
}

interface Memory {
  /** Bytes by which resident memory grew after the first threads, and those of the pages of blocks that leaked. */
  growth: number
  explained: number
  /** Bytes that the C library keeps of what was freed: of each run of them, the pages at its ends stay resident. */
  kept: number
  /** Bytes by which grew what the C library has handed out, our blocks left out. */
  others: number
}

async function threads(
  t: ExecutionContext,
  node: Runtime,
  mode: 'moved' | 'unmoved' | 'control',
  count: number,
): Promise<Report> {
  const seed = Math.floor(Math.random() * 2 ** 31)
  t.timeout(30 * 60_000)
  const args = [String(count), String(seed), mode]
  const { code, signal, stdout, stderr } = await runFixture('workers-random.js', args, {
    node,
    flags,
    timeout: 15 * 60_000,
  })
  t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' }, `seed ${seed}`)
  t.log(stdout.trim())
  const report = JSON.parse(stdout) as Report
  t.is(report.exited + report.terminated, count)
  return report
}

for (const node of RUNTIMES) {
  const [most, some] = MANY ? [1000, 250] : [40, 20]

  test.serial(
    `threads that end at any moment leave no block that is neither freed nor counted, on ${nameOf(node)}`,
    async (t) => {
      const control = await threads(t, node, 'control', some)
      const still = await threads(t, node, 'unmoved', some)
      t.deepEqual([still.leaked, still.leakedBytes], [0, 0], 'what stays in its thread does not leak')
      const report = await threads(t, node, 'moved', most)
      if (control.memory === undefined) t.log('the C library does not tell what it has handed out: not compared')
      for (const { memory, leaked } of control.memory === undefined ? [] : [still, report]) {
        const { growth, explained, kept, others } = memory!
        // Beside each block the allocator writes its length, and rounds it up.
        const room = Math.max(control.memory!.others, 0) + leaked * 32 + 4 * MiB
        t.true(others < room, `of C's memory ${others} bytes are in use that are no block's, more than ${room}`)
        // What threads cost by themselves, and what the C library cannot give back between blocks that stay.
        const bound = Math.max(control.memory!.growth, 0) + 48 * MiB + kept / 8
        t.true(growth - explained < bound, `${growth - explained} bytes are unexplained, more than ${bound}`)
      }
    },
  )
}
