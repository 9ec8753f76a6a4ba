/** What is for people, on the screen and in `target/`. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './tools.js'

/** Prints a text, and writes it to a file of `target/`. */
export function publish(name: string, text: string): void {
  console.log(`\n${text}`)
  mkdirSync(join(ROOT, 'target'), { recursive: true })
  writeFileSync(join(ROOT, 'target', name), `${text}\n`)
}
