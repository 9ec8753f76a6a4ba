import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'ava'
import { notRun } from './support/not-run.js'
import { inTurn, nameOf, NODE_VERSIONS, ROOT, runFixture, type Outcome } from './support/run.js'
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

/** The packages that not everybody has, by how the names of the misuses that need them begin. */
const PACKAGES: Record<string, string> = {
  sharp: 'sharp',
  ws: 'ws',
  canvas: '@napi-rs/canvas',
  duckdb: '@duckdb/node-api',
}

function whyNot(misuse: string): string | undefined {
  const [, needed] = Object.entries(PACKAGES).find(([start]) => misuse.startsWith(start)) ?? []
  try {
    if (needed !== undefined) createRequire(join(ROOT, 'examples/any.js')).resolve(needed)
    return undefined
  } catch {
    return `the package ${needed} is not here: npm run libraries`
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
