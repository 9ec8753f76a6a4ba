import test from 'ava'
import { nameOf, NODE_VERSIONS, only, OTHER_RUNTIMES, runFixture, scenariosOf, type Runtime } from './support/run.js'

const FIXTURE = 'evaluations.js'
const DONE = /^done\n$/
const SILENT = /^$/

interface Scenario {
  title: string
  stdout?: RegExp
  stderr?: RegExp
  env?: Record<string, string>
}

const SCENARIOS: Record<string, Scenario> = {
  'errors of a realm': { title: 'every error is of the realm that cmalloc was evaluated in, and says the same' },
  'objects of a realm': { title: 'ArrayBuffers and statistics are of the realm that cmalloc was evaluated in' },
  'other globals': { title: 'cmalloc works where globals are missing, or are not those of Node' },
  'one listener': {
    title: 'thirty evaluations add one listener, tell every death stub, and give each manager an identifier of its own',
    stdout: /^done\n30 are told\n$/,
  },
  'one registry': { title: 'the managers of two evaluations do not manage the same memory' },
  handles: { title: 'a handle of one evaluation is consumed, handed over, and freed by another' },
  dropped: { title: 'an evaluation that nobody has is collected, unless it has a pin' },
  'debug mode': {
    title: 'the debug mode reports what three evaluations have leaked once',
    stderr: /^cmalloc: 3 blocks were never freed, 300 bytes in all\n(?![^]*were never freed)/,
    env: { CMALLOC_DEBUG: '1' },
  },
  decache: { title: 'cmalloc is required once more, with its addon and without it' },
  copies: {
    title: 'two copies of cmalloc warn once, and refuse what is of the other',
    stderr:
      /^[^\n]*CMALLOC_LOADED_TWICE[^\n]* Two copies of cmalloc are loaded in this process(?![^]*CMALLOC_LOADED_TWICE)/,
  },
}

test('every scenario of evaluations.js is run', (t) => {
  t.deepEqual(scenariosOf(FIXTURE), Object.keys(SCENARIOS))
})

for (const [scenario, { title, stdout = DONE, stderr = SILENT, env = {} }] of Object.entries(SCENARIOS)) {
  for (const node of [...only<Runtime>(NODE_VERSIONS), ...OTHER_RUNTIMES]) {
    test.serial(`${title}, on ${nameOf(node)}`, async (t) => {
      const outcome = await runFixture(FIXTURE, [scenario], {
        node,
        flags: ['--expose-gc'],
        env: { CMALLOC_DEBUG: '0', ...env },
      })
      t.is(outcome.code, 0, outcome.stderr)
      t.regex(outcome.stdout, stdout)
      t.regex(outcome.stderr, stderr)
    })
  }
}
