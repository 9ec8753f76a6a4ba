import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import test from 'ava'
import { notRun } from './support/not-run.js'
import { inTurn, nameOf, NODE_VERSIONS, ROOT, runFixture, scenariosOf, type Outcome } from './support/run.js'
import { turns } from './support/turns.js'

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }
const flags = ['--expose-gc']

/** What the tests of each fixture show, of each of its scenarios. */
const TITLES: Record<string, (scenario: string) => string> = {
  'let-go-bounded.js': (scenario) =>
    / from a buffer to its block/.test(scenario)
      ? `a block that its own ArrayBuffer leads to ends: ${scenario}`
      : `what is let go beside a request without an end is bounded: ${scenario}`,
  'let-go-nobody.js': (scenario) => `with nobody to use the bytes a block ends at once: ${scenario}`,
  'let-go-odd.js': (scenario) => `whether bytes are in use is told rightly: ${scenario}`,
}

/** Windows has no pipe that a file system names. */
const needsFifo = (scenario: string): boolean => /turn|let go|request|its own|is small/.test(scenario)
const hasFifo = process.platform !== 'win32'
/** Another user than root must be able to load cmalloc. */
const USER = ['--reuid', '54321', '--regid', '54321', '--clear-groups']
const hasLimits = spawnSync('setpriv', [...USER, 'test', '-r', resolve(ROOT, 'package.json')]).status === 0

const twoAtOnce = turns(2)

for (const [fixture, title] of Object.entries(TITLES)) {
  for (const [index, scenario] of scenariosOf(fixture).entries()) {
    if (scenario.startsWith('no more') && !hasLimits) {
      notRun(title(scenario), 'it takes Linux, root, and a tree that others can read')
    } else if (needsFifo(scenario) && !hasFifo) {
      notRun(title(scenario), 'Windows has no such request that never ends')
    } else {
      for (const node of inTurn(index, NODE_VERSIONS)) {
        test(`${title(scenario)}, on ${nameOf(node)}`, async (t) => {
          t.timeout(300_000)
          t.deepEqual(await twoAtOnce(() => runFixture(fixture, [scenario], { node, flags })), CLEAN)
        })
      }
    }
  }
}
