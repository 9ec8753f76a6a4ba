/** `npm run libraries`: installs the libraries of some examples, which are too large to come with every clone. */

import { spawnSync } from 'node:child_process'
import { rmSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'

const EXAMPLES = resolve(__dirname, '../examples')

// Without their scripts, one of which downloads what only GPUs need.
const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
  cwd: join(EXAMPLES, 'libraries'),
  stdio: 'inherit',
  shell: process.platform === 'win32',
})
process.exitCode = status ?? 1

// The package is one folder further down than its modules are needed: beside the examples it would be theirs, and hide
// that of cmalloc, which they require by its name.
const modules = join(EXAMPLES, 'node_modules')
rmSync(modules, { recursive: true, force: true })
symlinkSync(join('libraries', 'node_modules'), modules, 'junction')
