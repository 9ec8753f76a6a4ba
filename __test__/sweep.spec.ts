import test, { type ExecutionContext } from 'ava'
import { createGroup, whyNoGroups } from './support/cgroup.js'
import { MiB } from './support/memory.js'
import { notRun } from './support/not-run.js'
import {
  inTurn,
  nameOf,
  NODE_VERSIONS,
  RUNTIMES,
  OTHER_RUNTIMES,
  runFixture,
  type Options,
  type Outcome,
  type Runtime,
} from './support/run.js'

/** `npm run test:loops` runs the loops at full length. */
const LONG = process.argv.includes('--full')
const ROUNDS = LONG ? 2000 : 80

/** Rounds, and bytes of a block. */
const VIEWED_LOOPS: readonly (readonly [number, number])[] = LONG
  ? [
      [800, 64 * MiB],
      [8_000, 4 * MiB],
      [40_000, 64 * 1024],
    ]
  : [
      [30, 64 * MiB],
      [300, 4 * MiB],
      [20_000, 64 * 1024],
    ]

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }
const ALL: readonly Runtime[] = [...RUNTIMES, ...OTHER_RUNTIMES]
// Reports of memory do not make Deno collect garbage.
const COLLECTING = ALL.filter((runtime) => runtime !== 'deno')
const minutes = (count: number): number => count * 60_000

/** What the loop's fixture tells. Bytes. */
interface Report {
  /** The rounds that were run before the error, if there was one. */
  done: number
  error?: { name: string; code: string; message: string }
  peak: number
  mostBlocks: number
  allocations: number
  collectedFrees: number
  liveBlocks: number
  peakLiveBytes: number
}

async function loop(t: ExecutionContext, args: (number | string)[], options: Options): Promise<Report> {
  t.timeout(minutes(15))
  const outcome = await runFixture('sweep-loop.cjs', args.map(String), { timeout: minutes(14), ...options })
  t.deepEqual(
    { code: outcome.code, signal: outcome.signal, stderr: outcome.stderr },
    { code: 0, signal: null, stderr: '' },
  )
  return JSON.parse(outcome.stdout) as Report
}

for (const node of COLLECTING) {
  test.serial(`a synchronous loop that drops blocks does not pile them up, on ${nameOf(node)}`, async (t) => {
    const report = await loop(t, [ROUNDS, 64 * MiB], { node })
    t.log(`${Math.round(report.peak / MiB)} MiB resident at most`)
    t.deepEqual([report.done, report.allocations, report.error], [ROUNDS, ROUNDS, undefined])
    t.true(report.peak < 1e9, `${report.peak} bytes were resident`)
    t.true(report.collectedFrees > ROUNDS - 20, `${report.collectedFrees} blocks were freed`)
  })

  test.serial(`a synchronous loop that drops small blocks frees them, on ${nameOf(node)}`, async (t) => {
    const rounds = LONG ? 1_000_000 : 200_000
    const report = await loop(t, [rounds, 64], { node })
    t.deepEqual([report.done, report.error], [rounds, undefined])
    t.true(report.mostBlocks < 100_000, `${report.mostBlocks} blocks were alive`)
    t.is(report.liveBlocks + report.collectedFrees, rounds, 'each is counted once')
    t.true(report.peak < 1e9, `${report.peak} bytes were resident`)
  })

  for (const [shift, [use, title]] of Object.entries({
    write: 'whose bytes were written to',
    cycle: 'that their buffers refer to',
  }).entries()) {
    test.serial(
      `a synchronous loop that drops blocks ${title} does not pile them up, on ${nameOf(node)}`,
      async (t) => {
        const mine = (_: unknown, index: number): boolean => inTurn(index + shift, COLLECTING).includes(node)
        for (const [rounds, byteLength] of LONG ? VIEWED_LOOPS : VIEWED_LOOPS.filter(mine)) {
          // oxlint-disable-next-line no-await-in-loop -- one after the other, as memory is measured
          const report = await loop(t, [rounds, byteLength, use], { node })
          const what = `${rounds} x ${byteLength} bytes`
          t.log(`${what}: ${Math.round(report.peak / MiB)} MiB resident at most`)
          t.deepEqual([report.done, report.error], [rounds, undefined])
          t.true(report.peak < 1e9, `${what}: ${report.peak} bytes were resident`)
          t.is(report.liveBlocks + report.collectedFrees, rounds, 'each is counted once')
        }
      },
    )
  }

  test.serial(`of a synchronous loop that keeps the last view the others are freed, on ${nameOf(node)}`, async (t) => {
    const report = await loop(t, [40, 64 * MiB, 'view alone'], { node })
    t.deepEqual([report.done, report.error], [40, undefined])
    t.true(report.peak < 1e9, `${report.peak} bytes were resident`)
  })

  test.serial(`a loop that drops viewed blocks stays below the set limit, on ${nameOf(node)}`, async (t) => {
    const limit = 256 * MiB
    const report = await loop(t, [40, 64 * MiB, 'touch', limit], { node })
    t.deepEqual([report.done, report.error], [40, undefined])
    t.true(report.peakLiveBytes <= limit)
  })

  test.serial(`what the loop's viewed blocks wait for is said where sweeps are off, on ${nameOf(node)}`, async (t) => {
    const limit = 512 * MiB
    const env = { CMALLOC_VIEW_SWEEP: '0' }
    const report = await loop(t, [ROUNDS, 64 * MiB, 'touch', limit], { node, env })
    t.is(report.done, 8, 'as many as the limit has room for')
    t.true(report.peakLiveBytes <= limit)
    t.true(report.peak < limit + 400 * MiB, `${report.peak} bytes were resident`)
    const { name, code, message } = report.error!
    t.deepEqual([name, code], ['RangeError', 'ERR_CMALLOC_OUT_OF_MEMORY'])
    const [, bytes, blocks] = /^Cannot allocate 67108864 bytes: .* (\d+) bytes of (\d+) dropped blocks /.exec(message)!
    t.is(Number(bytes), Number(blocks) * 64 * MiB)
    // A handle may still be on the stack.
    t.true(Number(blocks) >= 6 && Number(blocks) <= 8, message)
    t.regex(
      message,
      /wait for the finalizers .*: call free\(\), declare them with `using`, or let the event loop turn$/,
    )
  })
}

if (ALL.includes('deno')) {
  test.serial('the loop ends with the error of the memory limit on Deno, not with a signal', async (t) => {
    const report = await loop(t, [ROUNDS, 64 * MiB, 'drop', 1024 * MiB], { node: 'deno' })
    t.true(report.peak < 1400 * MiB, `${report.peak} bytes were resident`)
    t.is(report.error?.code, 'ERR_CMALLOC_OUT_OF_MEMORY')
    t.regex(report.error!.message, /of the set limit of 1073741824 bytes are in use/)
    t.true(report.done >= 16, 'as many as the limit has room for')
  })
}

if (ALL.includes('deno')) {
  test.serial('blocks whose bytes were used are freed in such a loop as Deno finds them dead by itself', async (t) => {
    const report = await loop(t, [40_000, 64 * 1024, 'write'], { node: 'deno' })
    t.deepEqual([report.done, report.error], [40_000, undefined])
    t.true(report.collectedFrees > 10_000, `${report.collectedFrees} blocks were freed`)
  })
}

const noGroups = whyNoGroups()

for (const node of NODE_VERSIONS) {
  for (const touch of ['drop', 'touch'] as const) {
    const title = `the loop is not killed in a container of 500 MiB, blocks: ${touch}, on ${nameOf(node)}`
    if (noGroups !== undefined) {
      notRun(title, `no memory control group can be made here: ${noGroups}`)
      continue
    }
    test.serial(title, async (t) => {
      const group = createGroup(`sweep-${touch}-${node}`, 500 * MiB)
      try {
        const report = await loop(t, [40, 64 * MiB, touch, 'none'], { node, prefix: group.prefix })
        t.deepEqual([report.done, report.error], [40, undefined])
      } finally {
        await group.remove()
      }
    })
  }
}

const WAYS = ['malloc', 'from', 'resize', 'consume', 'slice', 'consume of a block of C']

for (const way of WAYS) {
  // Bun's collector looks for handles on the stack, and finds some that are not used any more.
  const runtimes = way === 'malloc' || way === 'slice' ? COLLECTING : NODE_VERSIONS
  for (const node of runtimes) {
    test.serial(`garbage is collected before ${way} is refused, on ${nameOf(node)}`, async (t) => {
      t.deepEqual(await runFixture('sweep-last-chance.cjs', [way], { node }), CLEAN)
    })
  }
}

const largeHeapTest = NODE_VERSIONS.length > 0 ? test.serial : (title: string) => notRun(title, 'there is no Node here')
largeHeapTest('garbage is collected before a request is refused, however large the heap may become', async (t) => {
  for (const node of NODE_VERSIONS) {
    const flags = ['--max-old-space-size=16384']
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as each wants memory
    t.deepEqual(await runFixture('sweep-last-chance.cjs', ['malloc'], { node, flags }), CLEAN, `Node ${node}`)
  }
})

// Node 20 has no way to move bytes in a stretch without turns.
for (const node of NODE_VERSIONS.filter((version) => version > 20)) {
  test.serial(`bytes that were moved away stay in such a loop, on ${nameOf(node)}`, async (t) => {
    t.deepEqual(await runFixture('sweep-moved.cjs', [], { node }), CLEAN)
  })
}

for (const node of COLLECTING) {
  test.serial(`blocks that are kept stay as they are in such a loop, on ${nameOf(node)}`, async (t) => {
    t.deepEqual(await runFixture('sweep-kept.cjs', [], { node, flags: ['--expose-gc'] }), CLEAN)
  })
}

for (const node of NODE_VERSIONS) {
  test.serial(`V8 is told of exactly the bytes that blocks have, on ${nameOf(node)}`, async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    t.log(`seed ${seed}`)
    // What is kept after its end counts as well.
    const options = { node, flags: ['--expose-gc'], env: { CMALLOC_CACHE: '0' } }
    t.deepEqual(await runFixture('sweep-external.cjs', [String(seed)], options), CLEAN)
  })
}
