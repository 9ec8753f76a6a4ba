/**
 * `npm run test:pages`: the tests of the crate as if pages were larger than those of this machine, as on
 * Apple's processors (16 KiB) and on some Linux for arm64 (64 KiB).
 */

import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'

const ROOT = resolve(__dirname, '..')
// Flags of its own would have everything else compiled anew.
const target = join(process.env['CARGO_TARGET_DIR'] ?? join(ROOT, 'target'), 'pages')

for (const size of [16_384, 65_536]) {
  console.log(`\n=== Pages of ${size} bytes`)
  const { status } = spawnSync('cargo', ['test', '--lib', '--tests'], {
    cwd: ROOT,
    env: {
      ...process.env,
      CARGO_TARGET_DIR: target,
      RUSTFLAGS: '--cfg mocked_pages',
      CMALLOC_PAGE_SIZE: String(size),
    },
    stdio: 'inherit',
  })
  if (status !== 0) process.exitCode = 1
}
