/** `npm run lint:map`: whether the map of the tree in CONTRIBUTING.md is that of this tree. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { check } from './map.js'
import { ROOT } from './platforms/tools.js'

const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
const files = listed.split('\n').filter((file) => file !== '' && existsSync(join(ROOT, file)))
for (const finding of check(readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8'), files)) {
  console.error(finding)
  process.exitCode = 1
}
