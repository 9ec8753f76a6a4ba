/** What cross building and emulation need is set up once, in `target/tools`, and used again. */

import { spawnSync, type SpawnSyncOptions } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const ROOT = resolve(__dirname, '../..')
export const TOOLS = join(ROOT, 'target/tools')

/** Why something cannot be done on this machine. It is printed, and nothing else fails for it. */
export class NotHere extends Error {}

/** Runs a command to its end; the last of what it printed is the reason if it fails. */
export function must(command: string, args: string[], options: SpawnSyncOptions = {}): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    ...options,
  })
  if (error !== undefined) throw new NotHere(`${command} cannot be run: ${error.message}`)
  if (status !== 0) {
    const said = `${String(stdout)}\n${String(stderr)}`.trim().split('\n').slice(-3).join(' | ')
    throw new NotHere(`${command} ${args[0] ?? ''} failed: ${said}`)
  }
  return String(stdout)
}

/** A folder of `target/tools` that is made by `make`, or was by an earlier run: never one that is half done. */
export function once(name: string, make: (folder: string) => void): string {
  const folder = join(TOOLS, name)
  if (existsSync(folder)) return folder
  const partial = `${folder}.partial`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  make(partial)
  renameSync(partial, folder)
  return folder
}
