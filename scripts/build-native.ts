/**
 * `npm run build:native`: compiles the crate to the addon of this machine, and generates `index.js` and `index.d.ts`.
 */

import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'

const ROOT = resolve(__dirname, '..')

// A script cannot stand in for a program on Windows: there the addon is somewhat larger.
const cargo = process.platform === 'win32' ? {} : { CARGO: resolve(__dirname, 'cargo-cdylib') }
const napi = resolve(ROOT, 'node_modules/@napi-rs/cli/dist/cli.js')
const { status } = spawnSync(process.execPath, [napi, 'build', '--platform', '--release', '--features', 'napi'], {
  cwd: ROOT,
  env: { ...process.env, ...cargo },
  stdio: 'inherit',
})
process.exitCode = status ?? 1
