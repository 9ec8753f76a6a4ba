/** The place of a runtime that is not Node: what fails there must be reported, as ava reports it on Node. */

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { count, type Counted } from '../scripts/platforms/suite.js'
import { inTurn, nameOf, OTHER_RUNTIMES, ROOT } from './support/run.js'

const NAME = `const name = 'Bun' in globalThis ? 'Bun' : 'Deno' in globalThis ? 'Deno' : 'Node'`
const SPECS: Record<string, string> = {
  'passes.spec.cjs': `${NAME}; test('passes on ' + name, (t) => (gc(), t.deepEqual([{ one: 1n }], [{ one: 1n }])))
    test.skip('skipped', (t) => t.pass())`,
  'fails.spec.cjs': `
    test('differs', (t) => t.is(1, 2))
    test('throws', () => { throw new TypeError('as planned') })
    test('throws no error', () => { throw undefined })
    test('rejects later', async () => { await null; throw new Error('as planned') })
    test('asserts nothing', () => {})
    test('finds another error', (t) => t.throws(() => { throw new Error() }, { code: 'ERR_ANOTHER' }))
    test('has a teardown that throws', (t) => (t.teardown(() => { throw new Error('as planned') }), t.pass()))`,
  'hook.spec.cjs': `test.before(() => { throw new Error('as planned') }); test('is never run', (t) => t.pass())`,
  'crashes.spec.cjs': `test('crashes', async (t) => { require('node:child_process').execFileSync('kill', ['-KILL', String(process.pid)]); await new Promise((done) => setTimeout(done, 3000)) })`,
  'empty.spec.cjs': ``,
  'rejected.spec.cjs': `test('leaves a rejection', (t) => { Promise.reject(new Error('nobody listens')); t.pass() })`,
}
/** What the reporter of ava 7.0.0 does not survive, on Node neither: the place is incomplete then, which is a failure too. */
const ENDLESS: Record<string, string> = {
  'exits.spec.cjs': `test('exits', () => process.exit(3))`,
  'hangs.spec.cjs': `test('hangs', () => new Promise(() => setInterval(() => {}, 1000)))
    test('passes meanwhile', (t) => t.pass())`,
}

/** Runs specs, in a project of their own, as `npm run test:all` runs ours in a place. */
function runOn(runtime: string, specs: Record<string, string>): Promise<Counted> {
  mkdirSync(join(ROOT, 'target'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, 'target/worker-elsewhere-'))
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ ava: { files: ['*.spec.cjs'], extensions: ['cjs'], workerThreads: false } }),
  )
  for (const [name, source] of Object.entries(specs)) {
    writeFileSync(join(folder, name), `const { default: test = require('ava') } = require('ava')\n${source}`)
  }
  const flags = ['--import=tsx', `--import=${join(ROOT, 'scripts/platforms/worker-elsewhere.ts')}`]
  const args = [...flags, join(ROOT, 'node_modules/ava/entrypoints/cli.mjs'), '--tap', '--timeout=4s']
  return new Promise((done, fail) => {
    const env = { ...process.env, CMALLOC_TEST_NODES: runtime }
    const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'ignore'] })
    let tap = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (tap += text))
    child.on('error', fail)
    child.on('close', (code, signal) => {
      rmSync(folder, { recursive: true })
      done(count(tap, code, signal))
    })
  })
}

for (const runtime of OTHER_RUNTIMES) {
  test.serial(`what fails in a process of ${nameOf(runtime)} is reported, whatever way it fails`, async (t) => {
    const { passed, failed, notRun, broken } = await runOn(runtime, SPECS)
    t.is(broken, undefined)
    t.deepEqual(notRun.length, 1, notRun.join())
    const report = failed.join('\n')
    for (const title of [
      /fails › differs/,
      /fails › throws$/m,
      /fails › throws no error/,
      /fails › rejects later/,
      /fails › asserts nothing/,
      /fails › finds another error/,
      /fails › has a teardown that throws/,
      /before hook/,
      /crashes\.spec\.cjs exited due to SIGKILL/,
      /empty\.spec\.cjs/,
      /nobody listens/,
    ]) {
      t.regex(report, title)
    }
    // Those that pass, and the one that leaves a rejection behind.
    t.is(passed, 2, report)
    t.is((await runOn(runtime, { 'passes.spec.cjs': SPECS['passes.spec.cjs']! })).passed, 1)
  })
}

for (const [index, [name, source]] of Object.entries(ENDLESS).entries()) {
  for (const runtime of inTurn(index, OTHER_RUNTIMES)) {
    test.serial(`a test that does not end is a failure of the place: ${name} on ${nameOf(runtime)}`, async (t) => {
      t.is((await runOn(runtime, { [name]: source })).broken, 'ava ended with 1')
    })
  }
}
