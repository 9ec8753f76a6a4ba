/** `npm run release:notes [-- TAG]`: prints what the release changes, or says why there is none. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { releaseOf } from './changelog.js'
import { ROOT, versions } from './versions.js'

try {
  const changelog = readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8')
  console.log(releaseOf(changelog, versions(ROOT)['package.json']!, process.argv[2]).notes)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
