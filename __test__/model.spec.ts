import { resolve } from 'node:path'
import test from 'ava'
import { nameOf, NODE_VERSIONS, ROOT, runFixture, type Outcome } from './support/run.js'

/** All 20,000 take a minute: `npm run model`. */
const SEQUENCES = '4000'

const LAST = NODE_VERSIONS.at(-1)!

function model(...args: string[]): Promise<Outcome> {
  const flags = ['--import=tsx']
  return runFixture(resolve(ROOT, '__test__/random/run.ts'), ['model', ...args], { flags, timeout: 280_000 })
}

test.serial('many handles do what the model says, to the last byte, on every version of Node', async (t) => {
  const { code, stdout, stderr } = await model('--seed', '1000', '--sequences', SEQUENCES)
  t.is(code, 0, stdout + stderr)
  t.regex(stdout, /^4000 sequences in 4 processes/)
  // Of a few steps each, not of none.
  t.true(Number(/^ok: (\d+) steps/m.exec(stdout)?.[1]) > 40 * Number(SEQUENCES))
})

test.serial('a difference is reported with its path, and the printed command makes it again', async (t) => {
  const { code, stdout } = await model(...`--seed 7 --sequences 30 --node ${LAST} --plant error@12`.split(' '))
  t.is(code, 1)
  const [, args] = /replay the smallest: npm run model -- (.+)/.exec(stdout)!
  const replayed = await model(...args!.split(' '))
  t.is(replayed.code, 1)
  t.regex(
    replayed.stdout,
    new RegExp(`exited with 1 in sequence 12 of seed 7 on ${nameOf(LAST)}[^]*Broken: a planted error`),
  )
})
