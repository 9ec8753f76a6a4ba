import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import test from 'ava'
import { notRun } from './support/not-run.js'
import { nameOf, NODE_VERSIONS, ROOT, runFixture, type Outcome } from './support/run.js'
import { turns } from './support/turns.js'

const CLEAN: Outcome = { code: 0, signal: null, stdout: 'done\n', stderr: '' }
const flags = ['--expose-gc']

/** Ways to end a block in a loop, beside a request that never ends. */
const LOOPS = ['free', 'resize', 'drop', 'Pool', 'Arena'].flatMap((end) => [`${end}, no turn`, `${end}, turns`])
const LINKS = ['a WeakMap', 'a property'].flatMap((link) =>
  ['', ', bytes used', ', let go'].map((use) => `${link} from a buffer to its block${use}`),
)
const NOBODY = [
  'a script',
  'stdout was used',
  'timers and listeners',
  'awaited work',
  'after the last socket',
  'after a child process',
  'a worker',
  'a worker beside a server',
  'beside a worker',
  'a forked child',
  'a forked child, advanced serialization',
  'freeNow beside a request',
]
/** What another scenario starts. */
const STARTED = ['with a channel']

/** What a program can do around the question. */
const ODD = [
  'a resize that frees its own block',
  'a hook that uses the handle as its view is made',
  'a global of another runtime',
  'no more threads to be had',
  'no more files to be had',
  'a limit that is small',
]

/** Windows has no pipe that a file system names. */
const needsFifo = (scenario: string): boolean => /turn|let go|request|its own|is small/.test(scenario)
const hasFifo = process.platform !== 'win32'
/** Another user than root must be able to load cmalloc. */
const USER = ['--reuid', '54321', '--regid', '54321', '--clear-groups']
const hasLimits = spawnSync('setpriv', [...USER, 'test', '-r', resolve(ROOT, 'package.json')]).status === 0

const inTurn = turns(2)

function define(fixture: string, scenario: string, title: (on: string) => string): void {
  if (scenario.startsWith('no more') && !hasLimits) {
    return notRun(title('this system'), 'it takes Linux, root, and a tree that others can read')
  }
  if (needsFifo(scenario) && !hasFifo) {
    return notRun(title('Windows'), 'it has no such request that never ends')
  }
  for (const node of NODE_VERSIONS) {
    test(title(nameOf(node)), async (t) => {
      t.timeout(300_000)
      t.deepEqual(await inTurn(() => runFixture(fixture, [scenario], { node, flags })), CLEAN)
    })
  }
}

for (const scenario of LOOPS) {
  const title = (on: string): string =>
    `what is let go beside a request without an end is bounded: ${scenario}, on ${on}`
  define('let-go-bounded.js', scenario, title)
}

for (const scenario of LINKS) {
  const title = (on: string): string => `a block that its own ArrayBuffer leads to ends: ${scenario}, on ${on}`
  define('let-go-bounded.js', scenario, title)
}

for (const scenario of NOBODY) {
  const title = (on: string): string => `with nobody to use the bytes a block ends at once: ${scenario}, on ${on}`
  define('let-go-nobody.js', scenario, title)
}

for (const scenario of ODD) {
  define('let-go-odd.js', scenario, (on) => `whether bytes are in use is told rightly: ${scenario}, on ${on}`)
}

for (const [fixture, scenarios] of [
  ['let-go-bounded.js', [...LOOPS, ...LINKS]],
  ['let-go-nobody.js', [...NOBODY, ...STARTED]],
  ['let-go-odd.js', ODD],
] as const) {
  test(`every scenario of ${fixture} is run`, async (t) => {
    const { stdout } = await runFixture(fixture, ['--list'])
    t.deepEqual(stdout.trim().split('\n').sort(), [...scenarios].sort())
  })
}
