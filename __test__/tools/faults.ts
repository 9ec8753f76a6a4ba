/**
 * Makes every call into the C library and the system fail while the whole API is used, and then the runtime refuse
 * external ArrayBuffers, on the oldest and newest Node.
 */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { NODE_VERSIONS, runtimePath, ROOT, type NodeVersion } from '../support/run.js'
import { build } from './build.js'

const addon = build({ name: 'faults', features: ['fault-injection'] })
for (const version of [NODE_VERSIONS[0]!, NODE_VERSIONS.at(-1)!]) {
  run(version, 'fail.js')
  run(version, 'no-external-buffers.js')
  run(version, 'no-external-buffers.js', { CMALLOC_DEBUG: '1' })
}

function run(version: NodeVersion, program: string, env: Record<string, string> = {}): void {
  const args = ['--expose-gc', '--disable-warning=CMALLOC_CONSUME_REALLOC_FAILED', join(__dirname, program)]
  const { status, stdout } = spawnSync(runtimePath(version), args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: addon, CMALLOC_CACHE: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  console.log(`${status === 0 ? 'ok' : 'NOT OK'}: Node ${version}: ${stdout.trim() || 'failed'}`)
  if (status !== 0) process.exitCode = 1
}
