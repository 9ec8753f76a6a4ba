import { resolve } from 'node:path'
import test from 'ava'
import { nameOf, ROOT, RUNTIMES, runFixture, type Outcome } from './support/run.js'

/** A few on each runtime, to see that it works there: `npm run model` runs 20,000 others. */
const SEQUENCES = '250'

function model(...args: string[]): Promise<Outcome> {
  const flags = ['--import=tsx']
  return runFixture(resolve(ROOT, '__test__/random/run.ts'), ['model', ...args], { flags, timeout: 280_000 })
}

for (const node of RUNTIMES) {
  test.serial(`many handles do what the model says, to the last byte, on ${nameOf(node)}`, async (t) => {
    const { code, stdout, stderr } = await model('--seed', '1000', '--sequences', SEQUENCES, '--node', `${node}`)
    t.is(code, 0, stdout + stderr)
    t.regex(stdout, /^250 sequences in 2 processes/)
    // Of a few steps each, not of none.
    t.true(Number(/^ok: (\d+) steps/m.exec(stdout)?.[1]) > 40 * Number(SEQUENCES))
  })
}

test.serial('a difference is reported with its path, and the printed command makes it again', async (t) => {
  const node = RUNTIMES.at(-1)!
  const { code, stdout } = await model('--seed', '7', '--sequences', '30', '--node', `${node}`, '--plant', 'error@12')
  t.is(code, 1)
  const [, args] = /replay the smallest: npm run model -- (.+)/.exec(stdout)!
  const replayed = await model(...args!.split(' '))
  t.is(replayed.code, 1)
  const said = `exited with 1 in sequence 12 of seed 7 on ${nameOf(node)}[^]*Broken: a planted error`
  t.regex(replayed.stdout, new RegExp(said))
})
