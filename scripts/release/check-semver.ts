/**
 * `npm run check:semver`: whether the crate's version says what has changed in its public API since the newest release,
 * without features. `-- REVISION` compares with another commit.
 */

import { spawnSync } from 'node:child_process'
import { newestRelease, semverChecks } from './semver.js'
import { ROOT } from './versions.js'

try {
  const baseline = process.argv[2] ?? newestRelease(ROOT)
  if (baseline === undefined) {
    console.log('NOT CHECKED: there is no release to compare with yet, as no commit up to this one has a tag v*')
  } else {
    console.log(`Compared with ${baseline}:`)
    const args = ['semver-checks', '--baseline-rev', baseline, '--default-features']
    process.exitCode = spawnSync(semverChecks(), args, { cwd: ROOT, stdio: 'inherit' }).status ?? 1
  }
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
