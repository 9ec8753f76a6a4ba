/** Scripts that stand in for Node on a platform that this machine cannot run by itself. */

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './tools.js'

/**
 * Lays out `FOLDER/node24/bin/node`, as in `__test__/runtimes`: a script that runs Node by `command`. Programs start
 * others by `process.execPath`, so that is made to name the script.
 */
export function wrap(name: string, version: number, command: readonly string[]): { folder: string; node: string } {
  const folder = join(ROOT, 'target/platforms', name)
  const bin = join(folder, `node${version}/bin`)
  const node = join(bin, 'node')
  const preload = join(bin, 'preload.cjs')
  mkdirSync(bin, { recursive: true })
  writeFileSync(preload, `process.execPath = ${JSON.stringify(node)}\n`)
  const quoted = [...command, '--require', preload].map((part) => `'${part}'`).join(' ')
  writeFileSync(node, `#!/bin/sh\nexec ${quoted} "$@"\n`)
  chmodSync(node, 0o755)
  return { folder, node }
}
