import { resolve } from 'node:path'
import test from 'ava'
import { linuxTest } from './support/memory.js'
import { nameOf, RUNTIMES, ROOT, runFixture, type Outcome } from './support/run.js'

/** A few on each runtime, to see that it works there: `npm run fuzz` runs 20,000 others. */
const SEQUENCES = '250'

const SEED = '20000'

/** What the first process of several runs on. */
const FIRST = nameOf(RUNTIMES[0]!)

function fuzz(...args: string[]): Promise<Outcome> {
  const flags = ['--import=tsx']
  return runFixture(resolve(ROOT, '__test__/random/run.ts'), ['fuzz', ...args], { flags, timeout: 280_000 })
}

/** Runs a command that the fuzzer printed: `npm run fuzz -- …`. */
function replay(stdout: string, which: string): Promise<Outcome> {
  const [, args] = new RegExp(`${which}: +npm run fuzz -- (.+)`).exec(stdout)!
  return fuzz(...args!.split(' '))
}

for (const node of RUNTIMES) {
  test.serial(`no sequence of calls with hostile arguments does what it must not, on ${nameOf(node)}`, async (t) => {
    const { code, stdout, stderr } = await fuzz('--seed', SEED, '--sequences', SEQUENCES, '--node', `${node}`)
    t.is(code, 0, stdout + stderr)
    t.regex(stdout, /^250 sequences in 2 processes/)
  })
}

// Windows has no signals.
linuxTest(
  'a signal is reported with the sequence that raised it, and the printed command raises it again',
  async (t) => {
    const { code, stdout } = await fuzz('--seed', '7', '--sequences', '30', '--plant', 'signal@12')
    t.is(code, 1)
    t.regex(stdout, new RegExp(String.raw`was ended by SIGSEGV in sequence 12 of seed 7 on ${FIRST}`))
    t.regex(stdout, /step 0: /)
    const batch = await replay(stdout, 'replay the batch')
    t.is(batch.code, 1)
    t.regex(batch.stdout, new RegExp(String.raw`was ended by SIGSEGV in sequence 12 of seed 7 on ${FIRST}`))
    const alone = await replay(stdout, 'replay the sequence')
    t.is(alone.code, 1)
    t.regex(
      alone.stdout,
      new RegExp(String.raw`^1 sequences.*\n\nA process was ended by SIGSEGV in sequence 12 of seed 7 on ${FIRST}`),
    )
    // The same steps as in the batch.
    t.deepEqual(alone.stdout.match(/step .*/g), stdout.match(/step .*/g))
  },
)

test.serial('an undocumented error is reported with its path, and the printed command makes it again', async (t) => {
  const { code, stdout } = await fuzz('--seed', '7', '--sequences', '30', '--plant', 'error@12')
  t.is(code, 1)
  t.regex(stdout, new RegExp(String.raw`exited with 1 in sequence 12 of seed 7 on ${FIRST}`))
  const smallest = await replay(stdout, 'replay the smallest')
  t.is(smallest.code, 1)
  t.regex(smallest.stdout, /exited with 1 in sequence 12 of seed 7[^]*Broken: a planted error/)
})

test.serial('a block that is left at the end is reported', async (t) => {
  const { code, stdout } = await fuzz('--seed', '7', '--sequences', '30', '--plant', 'leak@12')
  t.is(code, 1)
  t.regex(stdout, /Broken: \d+ blocks of \d+ bytes are left/)
})

test.serial('arguments that make no sense are refused', async (t) => {
  const { code, stderr } = await fuzz('--seed', 'seven')
  t.is(code, 2)
  t.regex(stderr, /--seed must be an integer, not seven/)
})
