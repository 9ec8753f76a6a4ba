import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import * as cmalloc from 'cmalloc'
import { compile } from './support/compile.js'
import { codeBlocks, readDocument, table } from './support/readme.js'
import { inTurn, nameOf, only, RUNTIMES, ROOT, runFixture, type Runtime } from './support/run.js'

const readme = readDocument('README.md')
const contributing = readDocument('CONTRIBUTING.md')
const { scripts } = JSON.parse(readDocument('package.json')) as { scripts: Record<string, string> }
/** Pages for maintainers, which CONTRIBUTING.md names and the README does not. */
const maintainers = ['docs/holders.md']
const guides = pagesIn('docs').filter((path) => !maintainers.includes(path))
const reference = pagesIn('docs/reference')
/** All that says what there is. */
const everything = ['README.md', ...reference].map(readDocument).join('\n')
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...guides,
  ...reference,
  ...maintainers,
  ...pagesIn('docs/recipes'),
]

function pagesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`)
}

interface Sample {
  /** Its page, and the heading that it stands under. */
  title: string
  source: string
  /** It is a `ts` block: TypeScript, or JavaScript of newer runtimes. */
  newer: boolean
}

/** Those that make no `SharedArrayBuffer` over a block. */
const WITHOUT_SHARED = new Set<Runtime>([20, 'deno'])

/** Whether a runtime has all that an example uses. */
const runsOn = (source: string, runtime: Runtime): boolean =>
  !/\bblock\.shared\b/.test(source) || !WITHOUT_SHARED.has(runtime)

/** What a reader can paste. `debug.spec.ts` runs those of the debug mode, and `check:tools` those for bundlers. */
const samples: Sample[] = ['README.md', ...guides, ...reference]
  .filter((page) => page !== 'docs/debug-mode.md')
  .flatMap((page) =>
    ['js', 'ts'].flatMap((language) =>
      codeBlocks(readDocument(page), language).map(({ title, source }) => ({
        title: `${page}: the example under "${title}"`,
        source,
        newer: language === 'ts',
      })),
    ),
  )

/** Inside of the tree, so that an example finds cmalloc by its name. */
const folder = mkdtempSync(join(ROOT, '__test__/.readme-'))
mkdirSync(join(folder, 'typed'))
test.after.always(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** What the compiler says of all examples, which it compiles for the tests that run them. */
let compiled: { code: number | null; stdout: string }

test.before('the examples are written as JavaScript, and compiled as TypeScript', async () => {
  const files = samples.map(({ source }, index) => {
    write(`${index}.mjs`, source)
    return write(`typed/${index}.mts`, source)
  })
  compiled = await compile(folder, files)
})

for (const [index, { title, source, newer }] of samples.entries()) {
  const oldest = only<Runtime>([20]).filter((node) => runsOn(source, node))
  const turn = inTurn(
    index,
    RUNTIMES.filter((node) => runsOn(source, node)),
  )
  for (const node of newer ? only<Runtime>([26]) : new Set([...oldest, ...turn])) {
    test.serial(`${title} runs on ${nameOf(node)}`, (t) => runs(t, `${index}.mjs`, node))
  }
  for (const node of turn) {
    test.serial(`${title} runs as TypeScript on ${nameOf(node)}`, (t) => runs(t, `typed/${index}.mjs`, node))
  }
  if (index > 0) test(`${title} asserts something`, (t) => t.regex(source, /\bassert\b.*\(/))
}

async function runs(t: ExecutionContext, name: string, node: Runtime): Promise<void> {
  const { code, signal, stdout, stderr } = await runFixture(join(folder, name), [], { node })
  t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  const [printed] = codeBlocks(readme, 'text')
  if (basename(name) === '0.mjs') t.is(stdout, `${printed!.source}\n`)
}

test.serial('an example that asserts something false does not pass', async (t) => {
  write('false.mjs', "import assert from 'node:assert'\nassert.equal(1, 2)")
  const { code, stderr } = await runFixture(join(folder, 'false.mjs'))
  t.is(code, 1)
  t.regex(stderr, /AssertionError/)
})

test.serial('the examples have no type errors', async (t) => {
  t.deepEqual(compiled, { code: 0, stdout: '' })
  const wrong = write('wrong.mts', "import { malloc } from 'cmalloc'\nmalloc('1')")
  const { code, stdout } = await compile(folder, [wrong])
  t.not(code, 0, 'a type error would be found')
  t.regex(stdout, /not assignable to parameter of type 'number'/)
})

test('the README is short, and has its sample, what that prints and the plot before all else', (t) => {
  t.true(readme.split('\n').length <= 181)
  const [screen] = readme.split('\n## ') as [string]
  t.deepEqual(codeBlocks(screen, 'js').length, 1)
  t.deepEqual(codeBlocks(screen, 'text').length, 1)
  t.regex(screen, /!\[[^\]]+\]\(bench\/results\/churn\.svg\)/)
})

test('only the example of using is in need of TypeScript or a new Node', (t) => {
  t.deepEqual(
    samples.filter(({ newer }) => newer).map(({ title }) => title),
    ['docs/lifetimes.md: the example under "using"'],
  )
  for (const { title, source } of samples.filter(({ newer }) => !newer))
    t.notRegex(source, /^\s*(await )?using /m, title)
})

test('every page of the reference about functions and classes has examples', (t) => {
  t.deepEqual(
    reference.flatMap((page) => codeBlocks(readDocument(page), 'js').map(({ title }) => title)),
    [
      'Arena, from `cmalloc/arena`',
      'Pool, from `cmalloc/pool`',
      'MemManager, from `cmalloc/mem-manager`',
      'Allocators of your own, and `cmalloc/conformance`',
      'malloc: sizes, contents, options, limits',
      'Options',
      'mallocAsync',
      'Limits and counts',
      'NativeBuffer: the handle of a block',
      'Numbers and structs',
      'Memory that C code shares, takes and gives',
      'Pins, for I/O in flight',
      'A pin until a promise or a stream ends',
      'Threads',
    ],
  )
})

test('the commands that set up a clone stand each in a block of their own', (t) => {
  const commands = codeBlocks(readme, 'sh').map(({ source }) => source)
  t.deepEqual(commands, ['npm install cmalloc', 'npm ci && npm start', 'npm ci && npm test'])
})

test('the README and the reference name everything that the module exports', (t) => {
  // oxlint-disable-next-line import/namespace -- all of it is meant
  for (const name of Object.keys(cmalloc)) {
    // Which some runtimes list too.
    if (name !== 'default') t.true(named(name), name)
  }
})

test('the README and the reference name every member of NativeBuffer', (t) => {
  const members = [
    ...Object.getOwnPropertyNames(cmalloc.NativeBuffer.prototype).filter((name) => name !== 'constructor'),
    ...Object.getOwnPropertyNames(cmalloc.NativeBuffer)
      .filter((name) => !['length', 'name', 'prototype'].includes(name))
      .map((name) => `NativeBuffer.${name}`),
    '[Symbol.dispose]',
  ]
  t.true(members.length >= 14)
  for (const member of members) t.true(named(member), member)
})

test('the page of malloc says what each number of stats() is, and names no other', (t) => {
  const [, ...rows] = table(readDocument('docs/reference/malloc.md'), 'Limits and counts')
  const names = rows.flatMap(([cell = '']) => cell.split(', ').map((name) => name.replaceAll('`', '')))
  t.deepEqual(names.toSorted(), Object.keys(cmalloc.stats()).toSorted())
})

for (const [heading, pages, list] of [
  ['Guides', guides, 'GUIDES'],
  ['Reference', reference, 'REFERENCE'],
] as const) {
  test(`the README names every page under ${heading}, in the order in which the site has them`, (t) => {
    const order = [...table(readme, heading)].slice(1).map(([page]) => /\]\((.+\.md)\)/.exec(page!)![1]!)
    t.deepEqual([...order].sort(), [...pages].sort())
    const [, listed] = new RegExp(`const ${list} = \\[([^\\]]+)\\]`).exec(readDocument('docs/site/typedoc.mjs')) ?? []
    t.deepEqual(
      listed?.match(/[\w-]+/g),
      order.map((page) => basename(page, '.md')),
    )
  })
}

test('CONTRIBUTING.md and the site name every page for maintainers', (t) => {
  const [, listed] = /const PROJECT = \[([^\]]+)\]/.exec(readDocument('docs/site/typedoc.mjs'))!
  for (const path of maintainers) {
    t.true(contributing.includes(`](${path})`), path)
    t.true(listed!.includes(`'${path.replace(/\.md$/, '')}'`), path)
  }
})

/** Whether a piece of code in the README or the reference begins with a name. */
function named(name: string): boolean {
  const spans = [...everything.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!)
  return spans.some((span) => span === name || span.startsWith(`${name}(`))
}

test('every npm script is described in CONTRIBUTING.md, and every script that a document names exists', (t) => {
  // `pretest` is described with `test`.
  for (const name of Object.keys(scripts).filter((script) => script !== 'pretest')) {
    const command = ['start', 'test'].includes(name) ? `npm ${name}` : `npm run ${name}`
    t.true(contributing.includes(`| \`${command}\``), command)
  }
  for (const document of documents.map(readDocument)) {
    for (const [command, name] of document.matchAll(/npm run ([\w:]+)/g)) t.true(Object.hasOwn(scripts, name!), command)
  }
})

test('every file that a document links to exists', (t) => {
  for (const name of documents) linksExist(t, name)
  t.true(existsSync(resolve(ROOT, 'LICENSE')))
})

test('every file of the repository that a document names exists', (t) => {
  let count = 0
  for (const name of documents) {
    for (const [, path] of readDocument(name).matchAll(
      /`((?:src|lib|tests|__test__|scripts|bench|docs|examples)\/[\w./-]+)`/g,
    )) {
      // Node's own files in C++, and names that stand for any.
      if (/\.(?:cc|h)$|[A-Z]{4}/.test(path!)) continue
      count++
      t.true(existsSync(resolve(ROOT, path!)), `${name}: ${path}`)
    }
  }
  t.true(count > 20)
})

function linksExist(t: ExecutionContext, name: string): void {
  const place = dirname(resolve(ROOT, name))
  const text = readDocument(name).replaceAll(/^```[^]*?^```$/gm, '')
  for (const [, target] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
    if (!target!.startsWith('https:')) t.true(existsSync(resolve(place, target!)), `${name}: ${target}`)
  }
}
