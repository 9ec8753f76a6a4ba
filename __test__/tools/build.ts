/** Builds the addon in other ways than it ships, apart from the one that ships. */

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/run.js'

export interface Variant {
  /** Its folder in `target/`. */
  name: string
  features?: string[]
  /** Rust's name of the platform, if its flags must not reach the build scripts. */
  target?: string
  env?: Record<string, string>
}

/** Compiles `lib/`, and the addon as the variant says. Returns the addon's path. */
export function build({ name, features = [], target, env = {} }: Variant): string {
  const addon = join(ROOT, 'target', name, 'addon')
  succeed('npm', ['run', 'build:lib'])
  const args = ['napi', 'build', '--platform', '--release', '--features', ['napi', ...features].join()]
  if (target !== undefined) args.push('--target', target)
  // What is generated here is nobody's.
  args.push('--no-js', '--dts', 'generated.d.ts', '--output-dir', addon)
  succeed('npx', args, {
    CARGO_TARGET_DIR: join(process.env['CARGO_TARGET_DIR'] ?? join(ROOT, 'target'), name),
    CARGO_PROFILE_RELEASE_LTO: 'off',
    CARGO_PROFILE_RELEASE_STRIP: 'none',
    ...env,
  })
  const file = readdirSync(addon).find((entry) => entry.endsWith('.node'))
  if (file === undefined) throw new Error(`There is no addon in ${addon}`)
  return join(addon, file)
}

/** Ends the process: something that the tool needs is not there. */
export function notRun(reason: string): never {
  console.log(`NOT RUN: ${reason}`)
  process.exit(0)
}

function succeed(command: string, args: string[], env: Record<string, string> = {}): void {
  const { status, error } = spawnSync(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? `code ${status}`}`)
}
