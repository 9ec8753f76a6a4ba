/** `npm run runtimes`: installs the runtimes that specs run on. Nothing where npm installs cmalloc from git. */

import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'

// npm sets it as it prepares a package that it has cloned: nobody runs our specs there.
if (process.env['_PACOTE_NO_PREPARE_'] === undefined) {
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: resolve(__dirname, '../__test__/runtimes'),
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  process.exitCode = status ?? 1
}
