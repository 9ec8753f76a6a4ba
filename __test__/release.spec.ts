import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { releaseOf, topRelease } from '../scripts/release/changelog.js'
import { newestRelease } from '../scripts/release/semver.js'
import { differences, versions } from '../scripts/release/versions.js'
import { ROOT } from './support/run.js'

const FILES = ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock', 'index.js', 'npm']

test('the version is the same wherever it stands', (t) => {
  t.deepEqual(differences(versions(ROOT)), [])
})

for (const path of [...FILES.slice(1, -1), 'npm/linux-x64-musl/package.json']) {
  test(`another version in ${path} is noticed`, (t) => {
    const copy = mkdtempSync(join(tmpdir(), 'cmalloc-versions-'))
    t.teardown(() => rmSync(copy, { recursive: true }))
    for (const name of FILES) cpSync(join(ROOT, name), join(copy, name), { recursive: true })
    t.deepEqual(differences(versions(copy)), [])
    const { version } = JSON.parse(readFileSync(join(copy, 'package.json'), 'utf8')) as { version: string }
    const file = join(copy, path)
    // The place of a dependency of the same version would be found first in a lock file.
    const own = path === 'Cargo.lock' ? `name = "cmalloc"\nversion = "${version}` : version
    writeFileSync(file, readFileSync(file, 'utf8').replace(own, `${own}7`))
    t.deepEqual(differences(versions(copy)), [`${path} has the version ${version}7, and package.json ${version}`])
  })
}

const changelog = (heading: string, notes = '### Added\n\n- Something.'): string =>
  `# Changelog\n\nAll changes.\n\n## ${heading}\n\n${notes}\n\n## [0.9.0] - 2026-01-31\n\n- Older.\n`

test('the top section of the changelog is the release', (t) => {
  const release = { version: '1.0.0', date: '2026-02-28', notes: '### Added\n\n- Something.' }
  t.deepEqual(topRelease(changelog('[1.0.0] - 2026-02-28')), release)
  t.deepEqual(releaseOf(changelog('[1.0.0] - 2026-02-28'), '1.0.0', 'v1.0.0'), release)
  t.is(topRelease(changelog('[1.0.0-rc.1] - 2026-02-28')).version, '1.0.0-rc.1')
})

for (const [what, text, message] of [
  ['without a version', changelog('[Unreleased]'), /must be "## \[X\.Y\.Z\] - YYYY-MM-DD"\. It is "## \[Unreleased\]"/],
  ['without a date', changelog('[1.0.0]'), /It is "## \[1\.0\.0\]"/],
  ['with a date that is none', changelog('[1.0.0] - 2026-02-30'), /on 2026-02-30, which is no day/],
  ['with a month that is none', changelog('[1.0.0] - 2026-13-01'), /on 2026-13-01, which is no day/],
  ['that says nothing', changelog('[1.0.0] - 2026-02-28', ''), /does not say what 1\.0\.0 changes/],
  ['that is not there', '# Changelog\n', /It is "## "/],
] as const) {
  test(`a top section ${what} is refused`, (t) => {
    t.throws(() => topRelease(text), { message })
  })
}

test('a release of another version than that of the package or of the tag is refused', (t) => {
  const text = changelog('[1.0.0] - 2026-02-28')
  t.throws(() => releaseOf(text, '1.0.1', undefined), { message: /about 1\.0\.0, and package\.json has 1\.0\.1/ })
  t.throws(() => releaseOf(text, '1.0.0', 'v1.0.1'), { message: /The tag is v1\.0\.1/ })
})

/** A repository with a commit for each of these lists of tags. */
function repository(t: ExecutionContext, commits: string[][]): string {
  const folder = mkdtempSync(join(tmpdir(), 'cmalloc-tags-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const git = (...args: string[]): unknown =>
    execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args], { cwd: folder })
  git('init', '--quiet')
  for (const tags of commits) {
    git('commit', '--quiet', '--allow-empty', '--no-gpg-sign', '--message', 'A change')
    for (const tag of tags) git('tag', tag)
  }
  return folder
}

test('the crate is compared with the newest release before the commit', (t) => {
  for (const [commits, expected] of [
    [[[]], undefined],
    [[['other']], undefined],
    [[['v0.1.0']], undefined],
    [[['v0.1.0'], []], 'v0.1.0'],
    [[['v0.9.0'], ['v0.10.0'], []], 'v0.10.0'],
    [[['v1.0.0-rc.1'], ['v1.0.0'], []], 'v1.0.0'],
    [[['v1.0.0'], ['v1.1.0-rc.1'], ['v1.1.0', 'other']], 'v1.1.0-rc.1'],
  ] as const) {
    const folder = repository(t, structuredClone(commits) as unknown as string[][])
    t.is(newestRelease(folder), expected, JSON.stringify(commits))
  }
})

test('a shallow clone does not pass for one without releases', (t) => {
  const folder = repository(t, [['v0.1.0'], []])
  const clone = join(folder, 'clone')
  execFileSync('git', ['clone', '--quiet', '--depth=1', '--no-tags', `file://${folder}`, clone])
  t.throws(() => newestRelease(clone), { message: /shallow/ })
})
