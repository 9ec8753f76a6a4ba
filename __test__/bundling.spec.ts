import test from 'ava'
import { RECIPES } from '../scripts/tools/guide.js'
import type { Place } from '../scripts/tools/kit.js'
import { BUNDLERS } from '../scripts/tools/kinds/bundlers.js'
import { EXECUTABLES } from '../scripts/tools/kinds/executables.js'
import { readDocument, table } from './support/readme.js'
import { nameOf } from './support/run.js'

/** The cells that tell where a recipe is run. A recipe's first place does as the guide says. */
function rowOf({ project, node, withModules }: Place): string[] {
  const tools = Object.entries(project.dependencies).map(([name, version]) => `${name} ${version}`)
  return [tools.join(', '), nameOf(node), withModules === true ? 'cmalloc in `node_modules`' : '']
}

test('the guide to bundling has the recipes that check:tools runs, and tells with what', (t) => {
  const places = [...BUNDLERS, ...EXECUTABLES]
  const expected = [...RECIPES.keys()].map((title) => {
    const place = places.find(({ recipe }) => recipe === title)
    return [title, ...(place === undefined ? ['it is not run'] : rowOf(place))]
  })
  const [, ...rows] = table(readDocument('docs/bundling.md'), 'What works')
  t.deepEqual(
    rows.map(([link, ...cells]) => [/^\[(.*)\]\(#[\w-]+\)$/.exec(link!)?.[1] ?? link, ...cells]),
    expected,
  )
})
