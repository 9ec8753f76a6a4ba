import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import test from 'ava'
import { compile } from './support/compile.js'
import { notRun } from './support/not-run.js'
import { readDocument } from './support/readme.js'
import { missing, RECIPE_PAGES, RECIPES } from './support/recipes.js'
import {
  inTurn,
  nameOf,
  NODE_VERSIONS,
  only,
  OTHER_RUNTIMES,
  ROOT,
  runFixture,
  RUNTIMES,
  type NodeVersion,
  type Options,
  type Runtime,
} from './support/run.js'

const ALL = [...new Set<Runtime>([...RUNTIMES, ...NODE_VERSIONS, ...OTHER_RUNTIMES])]

/** What the examples print that are on no page of recipes. */
const EXAMPLES: Record<string, RegExp> = {
  'server.ts': /^200 7692c3ad\n200 3fc4ccfe\n200 8f990ba0\n413 \n3 of 4 requests had a block that was there\n$/,
  'arena-server.ts': /^300 of 300 answers are right, from \d{1,2} arenas\n$/,
}

/** These have specs of their own, and what is in Rust is run by `npm run test:rust`. */
const ELSEWHERE = ['progress.ts', 'resident.rs', 'tour.ts']

/** The runtimes that have what the example is about, if not all have it. */
const ONLY_ON: Record<string, readonly Runtime[]> = {
  'node-ffi.mjs': [26],
  'bun-ffi.mjs': ['bun'],
  'deno-ffi.mjs': ['deno'],
}

/** They use what there are no types of. */
const UNTYPED = new Set(['node-ffi.mjs', 'bun-ffi.mjs', 'deno-ffi.mjs'])

const absent = new Map(RECIPES.map((recipe) => [recipe, missing(recipe)]))

for (const [name, prints] of Object.entries(EXAMPLES)) {
  test.serial(`the example ${name} runs`, async (t) => {
    const { code, signal, stdout } = await runExample(name, { flags: ['--import=tsx'] })
    t.deepEqual({ code, signal }, { code: 0, signal: null })
    t.regex(stdout, prints)
  })
}

for (const [index, recipe] of RECIPES.entries()) {
  const { page, example, source, prints } = recipe
  test(`${page} has the program of examples/${example}`, (t) => {
    t.is(`${source}\n`, readDocument(`examples/${example}`), 'copy it, word for word')
  })
  const why = absent.get(recipe)
  const own = ONLY_ON[example]?.filter((runtime) => ALL.includes(runtime))
  const runtimes = new Set(own === undefined ? [...only<NodeVersion>([20]), ...inTurn(index, ALL)] : inTurn(index, own))
  if (runtimes.size === 0) notRun(`the example ${example} runs`, 'its runtime is not here')
  for (const node of runtimes) {
    const title = `the example ${example} runs on ${nameOf(node)}`
    if (why !== undefined) {
      notRun(title, why)
      continue
    }
    test.serial(title, async (t) => {
      const { code, signal, stdout } = await runExample(example, { node })
      t.deepEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: `${prints}\n` })
    })
  }
}

function runExample(name: string, options: Options): ReturnType<typeof runFixture> {
  return runFixture(resolve(ROOT, 'examples', name), [], options)
}

/** Inside of the examples, so that a program finds what it imports. */
const folder = mkdtempSync(join(ROOT, 'examples/.recipes-'))
test.after.always(() => rmSync(folder, { recursive: true }))

test.serial('the recipes have no type errors', async (t) => {
  const typed = RECIPES.filter((recipe) => absent.get(recipe) === undefined && !UNTYPED.has(recipe.example))
  const files = typed.map(({ example, source }) => {
    const path = join(folder, example.replace(/mjs$/, 'mts'))
    writeFileSync(path, source)
    return path
  })
  t.deepEqual(await compile(folder, files), { code: 0, stdout: '' })
})

test('every example is run by a spec, and named on the page of examples with the command that runs it', (t) => {
  const files = readdirSync(join(ROOT, 'examples'), { withFileTypes: true }).filter((entry) => entry.isFile())
  const names = files.map(({ name }) => name)
  t.deepEqual(names.sort(), [...Object.keys(EXAMPLES), ...RECIPES.map(({ example }) => example), ...ELSEWHERE].sort())
  const page = readDocument('docs/reference/examples.md')
  for (const name of names) {
    t.true(page.includes(`(../../examples/${name})`), name)
    t.true(name === 'tour.ts' || runs(name).test(page), `how to run ${name}`)
  }
})

test('every recipe is a page of its own: with a program, in the index, and in the navigation of the site', (t) => {
  const index = readDocument('docs/recipes.md')
  const [, listed] = /const RECIPES = \[([^\]]+)\]/.exec(readFileSync(join(ROOT, 'docs/site/typedoc.mjs'), 'utf8'))!
  const order = [...index.matchAll(/\]\(recipes\/([\w-]+)\.md\)/g)].map(([, name]) => name!)
  t.deepEqual(listed!.match(/[\w-]+/g), order)
  t.deepEqual([...order].sort(), RECIPE_PAGES.map((page) => basename(page, '.md')).sort())
  for (const page of RECIPE_PAGES)
    t.true(
      RECIPES.some((recipe) => recipe.page === page),
      page,
    )
})

/** A command that runs an example. */
function runs(name: string): RegExp {
  const command = name.endsWith('.rs') ? `cargo run --example ${name.slice(0, -3)}` : `[^\`]+ examples/${name}`
  return new RegExp(`\`${command}\``)
}
