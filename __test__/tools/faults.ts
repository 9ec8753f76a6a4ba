/** Makes every call into the C library and the system fail while the whole API is used, on the oldest and newest Node. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { NODE_VERSIONS, runtimePath, ROOT } from '../support/run.js'
import { build } from './build.js'

const addon = build({ name: 'faults', features: ['fault-injection'] })
for (const version of [NODE_VERSIONS[0]!, NODE_VERSIONS.at(-1)!]) {
  const args = ['--expose-gc', '--disable-warning=CMALLOC_CONSUME_REALLOC_FAILED', join(__dirname, 'fail.js')]
  const { status, stdout } = spawnSync(runtimePath(version), args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: addon },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  console.log(`${status === 0 ? 'ok' : 'NOT OK'}: Node ${version}: ${stdout.trim() || 'failed'}`)
  if (status !== 0) process.exitCode = 1
}
