import test from 'ava'
import { linuxTest } from './support/memory.js'
import { inTurn, nameOf, NODE_VERSIONS, runFixture, scenariosOf, type Outcome } from './support/run.js'

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }
const FIXTURE = 'arena-in-flight.js'

/** Of Bun and Deno nobody can be asked what is in flight. */
const SCENARIOS: Record<string, { title: string; env?: Record<string, string>; linux?: true }> = {
  kept: { title: 'memory with a typed array is not handed out again as long as a socket is open' },
  'not viewed': { title: 'memory without a typed array is handed out again whatever is open' },
  'the scope around': { title: 'what the end of a mark keeps is kept as the mark before it ends' },
  'long regions': { title: 'a long region with a typed array is let go, one without is freed' },
  'the end of the arena': { title: 'an arena that is disposed lets chunks with typed arrays go, and frees the others' },
  'a chunk that is used up': { title: 'an arena that is reset over and over beside an open socket stays small' },
  now: { title: 'resetNow and rewindNow hand memory out again whatever is open' },
  files: { title: 'files that are being written from regions that end get the right bytes' },
  'a missing await': { title: 'gzip without an await gets the right bytes although the arena is disposed' },
  'never ends': { title: 'a loop beside a read that never ends stays bounded', linux: true },
  'debug mode': { title: 'the debug mode writes over no byte that is in use', env: { CMALLOC_DEBUG: '1' } },
}

test('every scenario of arena-in-flight.js is run', (t) => {
  t.deepEqual(scenariosOf(FIXTURE), Object.keys(SCENARIOS))
})

for (const [index, [scenario, { title, env = {}, linux }]] of Object.entries(SCENARIOS).entries()) {
  for (const node of inTurn(index, NODE_VERSIONS)) {
    const declare: typeof linuxTest = linux ? linuxTest : (name, run) => test.serial(name, run)
    declare(`${title}, on ${nameOf(node)}`, async (t) => {
      const { stderr, ...rest } = await runFixture(FIXTURE, [scenario], {
        node,
        flags: ['--expose-gc'],
        env: { CMALLOC_DEBUG: '0', ...env },
      })
      // The debug mode reports what is still live at exit.
      t.deepEqual({ ...rest, stderr: scenario === 'debug mode' ? '' : stderr }, CLEAN)
    })
  }
}
