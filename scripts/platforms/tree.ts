/** The project as it would be on another platform, for its specs to run there. */

import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ROOT } from './tools.js'

const OTHER = new Set(['target', 'artifacts', '.git'])

/**
 * Lays it out anew, with one addon: the generated loader has to choose that one by itself. What npm installed is shared.
 */
export function layOut(name: string, addon: string): string {
  const tree = join(ROOT, 'target/platforms', name, 'tree')
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(tree, { recursive: true })
  for (const entry of readdirSync(ROOT).filter((each) => !OTHER.has(each))) {
    const filter = (from: string): boolean => basename(from) !== 'node_modules' && !from.endsWith('.node')
    cpSync(join(ROOT, entry), join(tree, entry), { recursive: true, filter })
  }
  for (const installed of ['node_modules', '__test__/runtimes/node_modules']) {
    symlinkSync(join(ROOT, installed), join(tree, installed))
  }
  copyFileSync(addon, join(tree, basename(addon)))
  return tree
}
