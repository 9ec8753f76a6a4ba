/** The release that the crate is compared with, and the tool that compares. */

import { join } from 'node:path'
import { must, once } from '../platforms/tools.js'

/** A binary of this version is built from crates.io, once, without what only a debugger or a fast run would need. */
const VERSION = '0.51.0'

/** The tag of the newest release before this commit; `undefined` if there is none yet. @throws in a shallow clone */
export function newestRelease(root: string): string | undefined {
  const git = (...args: string[]): string => must('git', args, { cwd: root }).trim()
  const own = git('tag', '--points-at', 'HEAD').split('\n')
  // A release candidate comes before its release.
  const newestFirst = [
    '-c',
    'versionsort.suffix=-',
    'tag',
    '--list',
    'v*',
    '--merged',
    'HEAD',
    '--sort=-version:refname',
  ]
  const tag = git(...newestFirst)
    .split('\n')
    .find((name) => name !== '' && !own.includes(name))
  if (tag === undefined && git('rev-parse', '--is-shallow-repository') === 'true') {
    throw new Error('This clone is shallow, and does not know of releases: git fetch --unshallow --tags')
  }
  return tag
}

/** The path of cargo-semver-checks. */
export function semverChecks(): string {
  const folder = once(`cargo-semver-checks-${VERSION}`, (partial) => {
    console.log(`Building cargo-semver-checks ${VERSION}, once: some minutes`)
    const args = ['install', 'cargo-semver-checks', '--version', VERSION, '--locked', '--debug', '--root', partial]
    must('cargo', args, { env: { ...process.env, CARGO_PROFILE_DEV_DEBUG: '0' } })
  })
  return join(folder, 'bin/cargo-semver-checks')
}
