/** The recipes of `docs/recipes/`: programs of `examples/`, word for word, and what they print. */

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { lexer, type Tokens } from 'marked'
import { readDocument } from './readme.js'
import { ROOT } from './run.js'

export interface Recipe {
  page: string
  /** The name of the example, as it stands behind the fence. */
  example: string
  source: string
  /** The block of text that follows. */
  prints: string | undefined
  /** Those that `npm run libraries` installs. */
  libraries: string[]
}

export const RECIPE_PAGES: readonly string[] = readdirSync(join(ROOT, 'docs/recipes')).map(
  (name) => `docs/recipes/${name}`,
)

const { dependencies } = JSON.parse(readDocument('examples/libraries/package.json')) as { dependencies: object }

export const RECIPES: readonly Recipe[] = RECIPE_PAGES.flatMap((page) => {
  const blocks = lexer(readDocument(page)).filter((token) => token.type === 'code') as Tokens.Code[]
  return blocks.flatMap(({ lang, text: source }, index) => {
    const [, example] = /^js (.+)$/.exec(lang ?? '') ?? []
    if (example === undefined) return []
    const next = blocks[index + 1]
    const libraries = Object.keys(dependencies).filter((name) => source.includes(` from '${name}'`))
    return [{ page, example, source, prints: next?.lang === 'text' ? next.text : undefined, libraries }]
  })
})

/** Why a recipe's libraries cannot be loaded. */
export function missing({ libraries }: Recipe): string | undefined {
  for (const name of libraries) {
    const load = `import(${JSON.stringify(name)}).catch(({ message }) => { console.log(message); process.exitCode = 1 })`
    const { status, stdout } = spawnSync(process.execPath, ['--eval', load], { cwd: join(ROOT, 'examples') })
    if (status !== 0) return `${String(stdout).split('\n')[0]}; npm run libraries installs it`
  }
  return undefined
}
