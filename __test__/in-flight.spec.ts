import { createRequire } from 'node:module'
import test from 'ava'
import { notRun } from './support/not-run.js'
import { inTurn, nameOf, NODE_VERSIONS, runFixture, type Outcome } from './support/run.js'
import { turns } from './support/turns.js'

/** Programs at once: they compute and wait by turns. */
const AT_ONCE = 2

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }

const fixtures = createRequire(__filename)
const namesOf = (table: string): string[] => Object.keys(fixtures(`./fixtures/${table}.js`) as object)
const JOBS = namesOf('in-flight-jobs')
const NETWORK = namesOf('in-flight-network')

/** Rounds of each way, of which there are eight to ten: the first is alone, the others are at once. */
const ROUNDS = 5

/** The package that a misuse needs, if it is one of those that not everybody has. */
const packageOf = (misuse: string): string | undefined => ['sharp', 'ws'].find((name) => misuse.startsWith(name))

function whyNot(misuse: string): string | undefined {
  const needed = packageOf(misuse)
  try {
    if (needed !== undefined) fixtures(needed)
    return undefined
  } catch {
    return `the package ${needed} is not here`
  }
}

const someAtOnce = turns(AT_ONCE)

for (const [index, misuse] of [...JOBS, ...NETWORK].entries()) {
  const reason = whyNot(misuse)
  if (reason !== undefined) {
    notRun(`a block that ends under ${misuse} keeps its bytes until it is done`, reason)
    continue
  }
  for (const node of inTurn(index, NODE_VERSIONS)) {
    test(`a block that ends under ${misuse} keeps its bytes until it is done, on ${nameOf(node)}`, async (t) => {
      t.timeout(300_000)
      const args = [misuse, String(ROUNDS)]
      const options = { node, flags: ['--expose-gc', '--no-warnings'] }
      t.deepEqual(await someAtOnce(() => runFixture('in-flight.js', args, options)), CLEAN)
    })
  }
}
