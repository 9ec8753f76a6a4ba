/** Places that forbid things: a small program that uses everything runs there, or is told why not. */

import { spawnSync } from 'node:child_process'
import test from 'ava'
import { lockLimit } from './support/lock-limit.js'
import { linuxTest } from './support/memory.js'
import { notRun } from './support/not-run.js'
import { nameOf, NODE_VERSIONS, runFixture, type Options, type Outcome } from './support/run.js'

/** The errors that a sandbox may answer with. */
const [EPERM, ENOSYS] = [1, 38]

const FORBIDDEN =
  /^ERR_CMALLOC_LOCK_LIMIT Cannot lock 32 bytes .* the system forbids it \(EPERM\)\. Have the sandbox allow mlock and madvise, or .*\n$/
const NO_SUCH_CALL =
  /^ERR_FEATURE_UNAVAILABLE_ON_PLATFORM Cannot make a secure block: this system does not lock memory .*\n$/
const UNKNOWN = /^The system does not tell what is resident: .*\n$/

/** Which calls are refused, and what the program is told then. */
const REFUSED: Record<string, { calls: string[]; eperm?: RegExp; enosys?: RegExp }> = {
  'mlock2, in the place of which mlock does': { calls: ['mlock2'] },
  'every lock': { calls: ['mlock', 'mlock2'], eperm: FORBIDDEN, enosys: NO_SUCH_CALL },
  'the end of a lock': { calls: ['munlock'] },
  'what leaves pages out of core dumps': { calls: ['hide'], eperm: FORBIDDEN, enosys: NO_SUCH_CALL },
  'what populates pages': { calls: ['populate'] },
  'huge pages': { calls: ['huge'] },
  'what tells which pages are resident': { calls: ['mincore'], eperm: UNKNOWN, enosys: UNKNOWN },
  'all of these': {
    calls: ['mlock', 'mlock2', 'munlock', 'hide', 'populate', 'huge', 'mincore'],
    eperm: new RegExp(`${UNKNOWN.source.slice(0, -1)}${FORBIDDEN.source.slice(1)}`),
    enosys: new RegExp(`${UNKNOWN.source.slice(0, -1)}${NO_SUCH_CALL.source.slice(1)}`),
  },
}

/** Runs the program, and returns what it said before it was done. */
async function said(options: Options, refused?: { calls: string[]; errno: number }): Promise<string | Outcome> {
  const outcome = await runFixture('sandbox.js', refused ? [JSON.stringify(refused)] : [], options)
  const [, text] = /^(.*)done\n$/s.exec(outcome.stdout) ?? []
  return outcome.code === 0 && text !== undefined ? text : outcome
}

for (const [what, { calls, eperm = /^$/, enosys = /^$/ }] of Object.entries(REFUSED)) {
  linuxTest(`a sandbox may refuse ${what}`, async (t) => {
    for (const [errno, expected] of [[EPERM, eperm] as const, [ENOSYS, enosys] as const]) {
      // oxlint-disable-next-line no-await-in-loop -- one at a time is enough for two cores
      const text = await said({}, { calls, errno })
      t.regex(typeof text === 'string' ? text : JSON.stringify(text), expected, `errno ${errno}`)
    }
  })
}

linuxTest('a kernel that is emulated may accept what populates pages, and do nothing', async (t) => {
  const text = await said({}, { calls: ['populate'], errno: 0 })
  t.is(text, '')
})

linuxTest('who may lock nothing is told so', async (t) => {
  const text = await said({ prefix: lockLimit(0) })
  t.regex(typeof text === 'string' ? text : JSON.stringify(text), FORBIDDEN)
})

/** What runs a command in file systems of its own that a shell has changed so. */
const within = (change: string): string[] => ['unshare', '--mount', 'sh', '-c', `${change} && exec "$@"`, 'sh']

const FILES: Record<string, { change: string; shows: string }> = {
  'read-only file systems': {
    // The folder for what the program prints stays as it is: it is open already.
    change: 'mount -o remount,ro,bind /',
    shows: '! touch "$PWD/is-read-only" 2>/dev/null',
  },
  'a system without /proc': { change: 'mount -t tmpfs none /proc', shows: 'test ! -e /proc/self' },
}

for (const [what, { change, shows }] of Object.entries(FILES)) {
  const title = `it runs with ${what}`
  if (spawnSync('unshare', ['--mount', 'sh', '-c', `${change} && ${shows}`]).status === 0) {
    linuxTest(title, async (t) => void t.is(await said({ prefix: within(change) }), ''))
  } else {
    notRun(title, 'nothing can be mounted here')
  }
}

/** What hardens JavaScript itself. */
const HARDENED: Record<string, string[]> = {
  '--frozen-intrinsics': ['--no-warnings', '--frozen-intrinsics'],
  '--jitless': ['--jitless'],
  'the lockdown of SES': ['--require=ses', '--import=data:text/javascript,lockdown()'],
}

for (const node of NODE_VERSIONS) {
  for (const [what, flags] of Object.entries(HARDENED)) {
    test(`it runs with ${what}, on ${nameOf(node)}`, async (t) => {
      t.is(await said({ node, flags }), '')
    })
  }
}
