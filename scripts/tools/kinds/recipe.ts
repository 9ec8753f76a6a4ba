/** Places that do what a recipe of the guide says. */

import type { Runtime } from '../../../__test__/support/run.js'
import { RECIPES } from '../guide.js'
import type { At, Command, Place, Project } from '../kit.js'
import { HERE } from '../project.js'

/** Without tools of its own. */
export const NONE: Project = { name: 'none', dependencies: {} }

export const PROGRAM = { 'shared.mjs': 'shared.mjs', 'program.mjs': 'program.mjs' }

export const addonPath = ({ tool }: At): string => tool(`${HERE}/${HERE.replace('-', '.')}.node`)

/** What is not as the guide says, or how it ends. */
export interface Variant extends Pick<Partial<Place>, 'withModules' | 'refuses' | 'silent' | 'unreachable'> {
  node?: Runtime
  /** What else the first command is given. */
  arguments?: string
  /** What is different. */
  but?: string
}

/** What the recipe with this title builds, and then `run`. */
export function recipe(
  title: string,
  project: Project,
  node: Runtime,
  { arguments: more = '', but = more, ...others }: Variant,
  run: (at: At) => Command,
): Place {
  const found = RECIPES.get(title)
  if (found === undefined) throw new Error(`The guide has no recipe ${title}`)
  const [first, ...rest] = found.commands
  const shell = (line: string): Command => ({ command: 'sh', args: ['-c', line] })
  return {
    name: [title, but].filter((part) => part !== '').join(' '),
    recipe: title,
    project,
    node,
    files: PROGRAM,
    texts: found.files,
    commands: (at) => [...[`${first} ${more}`, ...rest].map(shell), run(at)],
    times: 1,
    ...others,
  }
}
