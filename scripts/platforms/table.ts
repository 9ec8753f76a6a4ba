/** A table for people, on the screen and in `target/`. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './tools.js'

export function table(head: string[], rows: string[][]): string {
  const lines = [head, head.map(() => ''), ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line, index) => {
      const cells = line.map((cell, column) => cell.padEnd(widths[column]!, index === 1 ? '-' : ' '))
      return `| ${cells.join(' | ')} |`
    })
    .join('\n')
}

/** Prints it, and writes it to a file of `target/`. */
export function publish(name: string, text: string): void {
  console.log(`\n${text}`)
  mkdirSync(join(ROOT, 'target'), { recursive: true })
  writeFileSync(join(ROOT, 'target', name), `${text}\n`)
}
