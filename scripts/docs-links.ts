/**
 * `npm run docs:check`: whether every link of the documents and of the site leads somewhere, to the heading too.
 *
 * Links to other hosts are not followed, as that would need a network; how many they are is printed.
 */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { lychee } from './platforms/pypi.js'
import { ROOT } from './platforms/tools.js'

/** What people read on GitHub, where anchors are made by other rules than those of the site. */
const DOCUMENTS = ['*.md', 'docs/*.md', 'docs/*/*.md', 'bench/*.md', 'bench/results/*.md']

const SITE = 'target/site'

if (!existsSync(join(ROOT, SITE))) throw new Error('There is no site: npm run docs')
for (const [what, places] of [
  ['documents', DOCUMENTS],
  ['site', [SITE]],
] as const) {
  console.log(`Links of the ${what}; those that lead elsewhere are excluded:`)
  const args = ['--offline', '--include-fragments', '--no-progress', ...places]
  const { status } = spawnSync(lychee(), args, { cwd: ROOT, stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}
