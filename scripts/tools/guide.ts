/** The recipes of `docs/bundling.md`: what users are told to do is what is run. */

import { lexer, type Tokens } from 'marked'
import { readDocument } from '../../__test__/support/readme.js'
import { platform } from '../../lib/runtime/platform.js'

export interface Recipe {
  /** Its files, by their names. */
  files: Record<string, string>
  /** Lines for a shell. */
  commands: string[]
}

/** By their headings, which are of the third level. */
export const RECIPES: ReadonlyMap<string, Recipe> = readRecipes()

function readRecipes(): Map<string, Recipe> {
  const recipes = new Map<string, Recipe>()
  let recipe: Recipe | undefined
  for (const token of lexer(readDocument('docs/bundling.md'))) {
    if (token.type === 'heading') {
      const { depth, text } = token as Tokens.Heading
      recipe = depth === 3 ? { files: {}, commands: [] } : undefined
      if (recipe !== undefined) recipes.set(text, recipe)
    } else if (token.type === 'code' && recipe !== undefined) {
      const { lang = '', text } = token as Tokens.Code
      const [, file] = lang.split(' ')
      if (file === undefined) recipe.commands.push(...text.split('\n'))
      else recipe.files[file] = text.replaceAll('linux-x64-gnu', platform().name)
    }
  }
  return recipes
}
