import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import * as cmalloc from 'cmalloc'
import { codeBlocks, readDocument, table } from './support/readme.js'
import { inTurn, nameOf, RUNTIMES, ROOT, runFixture } from './support/run.js'

const readme = readDocument('README.md')
const contributing = readDocument('CONTRIBUTING.md')
const { scripts } = JSON.parse(readDocument('package.json')) as { scripts: Record<string, string> }
/** Pages for maintainers, which CONTRIBUTING.md names and the README does not. */
const maintainers = ['docs/holders.md']
const guides = readdirSync(join(ROOT, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`)
  .filter((path) => !maintainers.includes(path))
const examples = codeBlocks(readme, 'ts')
const guideExamples = guides.flatMap((guide) => codeBlocks(readDocument(guide), 'ts'))

/** Inside of the tree, so that an example finds cmalloc by its name. */
const folder = mkdtempSync(join(ROOT, '__test__/.readme-'))
test.after.always(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

test('the README has an example in each section of the API', (t) => {
  t.deepEqual(
    examples.map(({ title }) => title),
    [
      'Use',
      'malloc, free, getBufferAddress',
      'Options',
      'mallocAsync',
      'NativeBuffer',
      'Memory that C code shares, takes and gives',
      'Pins, for I/O in flight',
      'A pin until a promise or a stream ends',
      'Threads',
      'Limits and counts',
      'Arena, from `cmalloc/arena`',
      'Pool, from `cmalloc/pool`',
      'MemManager, from `cmalloc/mem-manager`',
      'Allocators of your own, and `cmalloc/conformance`',
    ],
  )
})

/** What the compiler says of all examples, which it compiles for the tests that run them. */
let compiled: { code: number | null; stdout: string }

test.before('the examples are compiled', async () => {
  const files = [...examples, ...guideExamples].map(({ source }, index) => write(`${index}.ts`, source))
  compiled = await compile([...files, write('false.ts', "import assert from 'node:assert'\nassert.equal(1, 2)")])
})

for (const [index, { title, source }] of [...examples, ...guideExamples].entries()) {
  for (const node of inTurn(index, RUNTIMES)) {
    test.serial(`the example under "${title}" runs on ${nameOf(node)}`, async (t) => {
      const { code, signal, stderr } = await runFixture(join(folder, `${index}.js`), [], { node })
      t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
      t.regex(source, /\bassert\./, 'it asserts something')
    })
  }
}

test.serial('an example that asserts something false does not pass', async (t) => {
  const { code, stderr } = await runFixture(join(folder, 'false.js'))
  t.is(code, 1)
  t.regex(stderr, /AssertionError/)
})

test.serial('the examples have no type errors', async (t) => {
  t.deepEqual(compiled, { code: 0, stdout: '' })
  const wrong = write('wrong.ts', "import { malloc } from 'cmalloc'\nmalloc('1')")
  const { code, stdout } = await compile([wrong])
  t.not(code, 0, 'a type error would be found')
  t.regex(stdout, /not assignable to parameter of type 'number'/)
})

/** Leaves a program beside each of these files, and says what is wrong with them. */
async function compile(files: string[]): Promise<{ code: number | null; stdout: string }> {
  const compilerOptions = { noEmit: false, rootDir: '.', outDir: '.' }
  const project = JSON.stringify({ extends: '../../tsconfig.test.json', compilerOptions, files, include: [] })
  const compiler = resolve(ROOT, 'node_modules/typescript/bin/tsc')
  const { code, stdout } = await runFixture(compiler, ['-p', write('tsconfig.json', project)])
  return { code, stdout }
}

test('the commands that set up a clone stand each in a block of their own', (t) => {
  const commands = codeBlocks(readme, 'sh').map(({ source }) => source)
  t.deepEqual(commands, ['npm install cmalloc', 'npm ci && npm start', 'npm ci && npm test'])
})

test('the README names everything that the module exports', (t) => {
  // oxlint-disable-next-line import/namespace -- all of it is meant
  for (const name of Object.keys(cmalloc)) {
    // Which some runtimes list too.
    if (name !== 'default') t.true(named(name), name)
  }
})

test('the README names every member of NativeBuffer', (t) => {
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

test('the README names every guide, in the order in which the site has them', (t) => {
  const order = [...table(readme, 'Guides')].slice(1).map(([guide]) => /\]\(docs\/(.+)\.md\)/.exec(guide!)![1]!)
  t.deepEqual([...order].sort(), guides.map((guide) => basename(guide, '.md')).sort())
  const listed = /const GUIDES = \[([^\]]+)\]/.exec(readDocument('docs/site/typedoc.mjs'))?.[1]
  t.deepEqual(listed?.match(/[\w-]+/g), order)
})

test('CONTRIBUTING.md and the site name every page for maintainers', (t) => {
  const [, listed] = /const PROJECT = \[([^\]]+)\]/.exec(readDocument('docs/site/typedoc.mjs'))!
  for (const path of maintainers) {
    t.true(contributing.includes(`](${path})`), path)
    t.true(listed!.includes(`'${path.replace(/\.md$/, '')}'`), path)
  }
})

/** Whether a piece of code in the README begins with a name. */
function named(name: string): boolean {
  const spans = [...readme.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!)
  return spans.some((span) => span === name || span.startsWith(`${name}(`))
}

test('every npm script is described in CONTRIBUTING.md, and every script that a document names exists', (t) => {
  // `pretest` is described with `test`.
  for (const name of Object.keys(scripts).filter((script) => script !== 'pretest')) {
    const command = ['start', 'test'].includes(name) ? `npm ${name}` : `npm run ${name}`
    t.true(contributing.includes(`| \`${command}\``), command)
  }
  for (const document of [readme, contributing]) {
    for (const [command, name] of document.matchAll(/npm run ([\w:]+)/g)) t.true(Object.hasOwn(scripts, name!), command)
  }
})

test('every file that a document links to exists', (t) => {
  for (const name of ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', ...guides, ...maintainers])
    linksExist(t, name)
  t.true(existsSync(resolve(ROOT, 'LICENSE')))
})

function linksExist(t: ExecutionContext, name: string): void {
  const place = dirname(resolve(ROOT, name))
  for (const [, target] of readDocument(name).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
    if (!target!.startsWith('https:')) t.true(existsSync(resolve(place, target!)), `${name}: ${target}`)
  }
}
