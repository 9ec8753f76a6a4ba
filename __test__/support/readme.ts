/** The project's documents, as the specs read them. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { lexer, type Tokens } from 'marked'
import { ROOT } from './run.js'

export function readDocument(name: string): string {
  return readFileSync(resolve(ROOT, name), 'utf8')
}

/** What is inside the fences of one language, and the heading that each stands under. */
export function codeBlocks(document: string, language: string): { title: string; source: string }[] {
  let title = ''
  return lexer(document).flatMap((token) => {
    if (token.type === 'heading') title = (token as Tokens.Heading).text
    return token.type === 'code' && token.lang === language ? [{ title, source: (token as Tokens.Code).text }] : []
  })
}

/** The rows of the one table under a heading, its head included: the text of each cell. */
export function table(document: string, heading: string): [head: string[], ...rows: string[][]] {
  const tokens = lexer(document)
  const start = tokens.findIndex((token) => token.type === 'heading' && token.text === heading)
  if (start < 0) throw new Error(`There is no heading ${heading}`)
  const found = tokens.slice(start + 1).find(({ type }) => type === 'heading' || type === 'table')
  if (found?.type !== 'table') throw new Error(`There is no table under ${heading}`)
  const { header, rows } = found as Tokens.Table
  return [header.map(({ text }) => text), ...rows.map((row) => row.map(({ text }) => text))]
}
