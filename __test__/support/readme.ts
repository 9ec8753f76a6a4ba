/** The project's documents, as the specs read them. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ROOT } from './run.js'

export function readDocument(name: string): string {
  return readFileSync(resolve(ROOT, name), 'utf8')
}

/** What is inside the fences of one language, and the heading that each stands under. */
export function codeBlocks(document: string, language: string): { title: string; source: string }[] {
  let heading = ''
  let inside: string[] | undefined
  const blocks: { title: string; source: string }[] = []
  for (const line of document.split('\n')) {
    if (inside !== undefined && line === '```') {
      blocks.push({ title: heading, source: inside.join('\n') })
      inside = undefined
    } else if (inside !== undefined) {
      inside.push(line)
    } else if (line === `\`\`\`${language}`) {
      inside = []
    } else {
      heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading
    }
  }
  return blocks
}

/** The rows of the one table under a heading, its head included: the text of each cell. */
export function table(document: string, heading: string): [head: string[], ...rows: string[][]] {
  const lines = document.split('\n')
  const start = lines.findIndex((line) => new RegExp(`^#+ ${heading}$`).test(line))
  if (start < 0) throw new Error(`There is no heading ${heading}`)
  const section = lines.slice(start + 1)
  const end = section.findIndex((line) => line.startsWith('#'))
  const [head, ruler, ...rows] = section
    .slice(0, end < 0 ? undefined : end)
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
  if (head === undefined || ruler?.some((cell) => !/^:?-+:?$/.test(cell)) !== false) {
    throw new Error(`There is no table under ${heading}`)
  }
  return [head, ...rows]
}
