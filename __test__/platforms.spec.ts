/** The checks of `npm run build:all`, on the addon of this machine: what is planted must be found. */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { check } from '../scripts/platforms/check.js'
import { NOT_BUILT, TARGETS, type Target } from '../scripts/platforms/targets.js'
import { notRun } from './support/not-run.js'
import { ROOT } from './support/run.js'

const ADDON = join(ROOT, 'cmalloc.linux-x64-gnu.node')
const target = (name: string): Target => TARGETS.find((each) => each.name === name)!
// The reader of binaries is installed by pip.
const hasPip = spawnSync('python3', ['-c', 'import ensurepip, venv']).status === 0
const addonTest = existsSync(ADDON)
  ? hasPip
    ? test
    : (title: string) => notRun(title, 'python3 has no pip')
  : (title: string) => notRun(title, 'there is no addon for linux-x64-gnu')

test('every target of package.json is built by build:all, or is named as not built', (t) => {
  const { napi } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { napi: { targets: string[] } }
  const known = [...TARGETS, ...NOT_BUILT].map((each) => each.napi)
  t.deepEqual([...napi.targets].sort(), known.sort())
})

addonTest('an addon that is linked to glibc is none for musl', (t) => {
  const { wrong } = check(ADDON, target('linux-x64-musl'))
  t.true(
    wrong.some((text) => /^it needs .*libc\.so\.6/.test(text)),
    wrong.join(),
  )
})

addonTest('an addon that asks for a newer glibc than its target allows is found', (t) => {
  const { glibc, wrong } = check(ADDON, { ...target('linux-x64-gnu'), glibc: '2.2' })
  t.regex(glibc!, /^2\.\d+/)
  t.true(wrong.includes(`it needs glibc ${glibc}, more than 2.2`), wrong.join())
})

addonTest('an addon for another processor or another system is found', (t) => {
  t.true(check(ADDON, target('linux-arm64-gnu')).wrong.includes('it is for x64, not for arm64'))
  t.true(check(ADDON, target('darwin-x64')).wrong.includes('it is ELF, not Mach-O'))
})

addonTest('an addon that is larger than any should be, or no addon at all, is found', (t) => {
  const path = join(tmpdir(), `cmalloc-platforms-${process.pid}.node`)
  writeFileSync(path, Buffer.concat([readFileSync(ADDON), Buffer.alloc(2 ** 20)]))
  t.true(check(path, target('linux-x64-gnu')).wrong.some((text) => /^it has \d+ bytes/.test(text)))
  writeFileSync(path, 'no addon at all')
  t.throws(() => check(path, target('linux-x64-gnu')), { message: `${path} is neither ELF nor PE nor Mach-O` })
})
