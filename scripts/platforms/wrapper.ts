/** Scripts that stand in for Node on a platform that this machine cannot run by itself. */

import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './tools.js'

/**
 * Lays out `FOLDER/node24/bin/node`, as in `__test__/runtimes`: a script that runs Node by `words`. Programs start
 * others by `process.execPath`, so that is made to name the script.
 */
export function wrap(name: string, version: number, words: readonly string[]): { folder: string; node: string } {
  const folder = join(ROOT, 'target/platforms', name)
  const bin = join(folder, `node${version}/bin`)
  const preload = join(bin, 'preload.cjs')
  // A link there would lead what is written into the Node that it names.
  rmSync(bin, { recursive: true, force: true })
  mkdirSync(bin, { recursive: true })
  const node = command(join(bin, 'node'), [...words, '--require', preload])
  writeFileSync(preload, `process.execPath = ${JSON.stringify(node)}\n`)
  return { folder, node }
}

/** Writes a script that runs a command, with what the script is given as more arguments. */
export function command(path: string, words: readonly string[]): string {
  const quoted = words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ')
  writeFileSync(path, `#!/bin/sh\nexec ${quoted} "$@"\n`)
  chmodSync(path, 0o755)
  return path
}
