/**
 * Breaks the code on purpose, one patch of this folder at a time, and shows which test notices.
 *
 * A patch begins with the lines `Breaks: …`, what it does, and `Suite: …`, the test files that should notice, or
 * `cargo` for the tests of the crate; then `Test: …`, the title of the test that does, if that alone is to be run. If
 * they do not, the whole suite is asked. Or the suite is a tool, with its arguments: what only a tool can see, that very
 * one must.
 *
 * `npm run mutants [-- [--tested] [--no-tools] [--note] name …]`; `--tested` says that the tests were seen to pass
 * without a mutant, `--no-tools` leaves out the mutants that only a tool can see, and `--note` writes the title of the
 * test that noticed into each patch that names none.
 */

import { spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'

const ROOT = resolve(__dirname, '../..')
const MINUTE = 60_000

/** How many mutants are looked at side by side. To build one takes one core. */
const SIDE_BY_SIDE = 2

/** The tools that can be a suite, and the npm script that runs each. All but the model build what they need. */
const TOOLS: Record<string, string> = {
  asan: 'test:asan',
  faults: 'test:faults',
  leaks: 'test:leaks',
  loom: 'test:loom',
  miri: 'test:miri',
  model: 'model',
  proptest: 'test:properties',
}

/** What a tool says when it has found something. */
const FINDINGS = [
  /^SUMMARY: (AddressSanitizer: \S+)/m,
  /(LeakSanitizer: detected memory leaks)/,
  /^error: (Undefined Behavior: .+)$/m,
  /^test (\S+) \.\.\. FAILED$/m,
  /^NOT OK: (.+)$/m,
  /^Error: (Broken: .+)$/m,
]

interface Mutant {
  name: string
  patch: string
  breaks: string
  suite: string[]
  /** The one test that is run. */
  test: string | undefined
  native: boolean
}

/** What the tests said: the names of those that failed, none if all passed. */
type Failures = string[]

function readMutant(file: string): Mutant {
  const text = readFileSync(join(__dirname, file), 'utf8')
  const optional = (name: string): string | undefined => new RegExp(`^${name}: (.+)$`, 'm').exec(text)?.[1]
  const header = (name: string): string => {
    const line = optional(name)
    if (line === undefined) throw new Error(`${file} has no line "${name}: …"`)
    return line
  }
  return {
    name: basename(file, '.patch'),
    patch: join(__dirname, file),
    breaks: header('Breaks'),
    suite: suiteOf(file, header('Suite')),
    test: optional('Test'),
    native: /^\+\+\+ b\/src\//m.test(text),
  }
}

/** The test files, or a tool and its arguments. A file that is not there would fail, and look like a catch. */
function suiteOf(file: string, text: string): string[] {
  const suite = text.split(' ')
  const missing = suite.find((name) => name.endsWith('.spec.ts') && !existsSync(join(ROOT, name)))
  if (missing !== undefined) throw new Error(`${file}: there is no ${missing}`)
  return suite
}

/** A copy of the working tree, which shares what was installed. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'cmalloc-mutants-'))
  const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  for (const file of listed.stdout.toString().split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    cpSync(join(ROOT, file), join(copy, file))
  }
  for (const folder of ['node_modules', '__test__/runtimes/node_modules']) {
    symlinkSync(join(ROOT, folder), join(copy, folder))
  }
  return copy
}

/** A copy of the tree, and what it was last built from, so that nothing is built twice. */
interface Bench {
  readonly copy: string
  /** Apart from the real build, whose results the next run would reuse. */
  readonly target: string
  readonly broken: { native: boolean; lib: boolean }
}

function execute(
  { copy, target }: Bench,
  command: string,
  args: string[],
  timeout: number,
): Promise<{ ok: boolean; output: string }> {
  return new Promise((done) => {
    const env = {
      ...process.env,
      CARGO_TARGET_DIR: target,
      // Nobody debugs a mutant, and to write what that takes is a good part of a build.
      CARGO_PROFILE_DEV_DEBUG: '0',
      // The next one differs by some lines.
      CARGO_INCREMENTAL: '1',
      CMALLOC_TEST_MATRIX: 'all',
      // What a cache keeps is not freed: a mutant of freeing would not show.
      ...(isSpec(args) && !args.includes(CACHE) && { CMALLOC_CACHE: '0' }),
      FORCE_COLOR: '0',
    }
    const child = spawn(command, args, { cwd: copy, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    // With all that it has started.
    const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), timeout)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    }
    child.on('error', (error) => (output += `\n${error.message}`))
    child.on('close', (code) => {
      clearTimeout(timer)
      done({ ok: code === 0, output })
    })
  })
}

/** The tests of the cache of freed blocks. */
const CACHE = '__test__/cache.spec.ts'

const isSpec = (args: string[]): boolean => args.some((name) => name.endsWith('.spec.ts'))

/** A program that npm has installed: `npx` would look for it first, each time. */
const installed = (name: string): string => join(ROOT, 'node_modules/.bin', name)

async function mustSucceed(bench: Bench, command: string, ...args: string[]): Promise<void> {
  const { ok, output } = await execute(bench, command, args, 10 * MINUTE)
  if (!ok) throw new Error(`${command} ${args.join(' ')} failed:\n${output}`)
}

function buildNative(bench: Bench): Promise<void> {
  // Unoptimised: it builds in seconds, and what a mutant breaks is broken all the same.
  return mustSucceed(bench, installed('napi'), 'build', '--platform', '--features', 'napi', '--no-js')
}

async function buildLib(bench: Bench): Promise<void> {
  // What a mutant leaves unused is no reason not to build it.
  const unused = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false']
  await mustSucceed(bench, installed('tsc'), '-p', 'tsconfig.json', ...unused)
  await mustSucceed(bench, installed('rollup'), '--config', '--silent')
}

function isTool(suite: string[]): boolean {
  return suite[0] !== undefined && Object.hasOwn(TOOLS, suite[0])
}

function needsBuild(suite: string[]): boolean {
  return suite[0] === 'model' || (suite[0] !== 'cargo' && !isTool(suite))
}

async function runTool(bench: Bench, [tool, ...args]: string[]): Promise<Failures> {
  const { ok, output } = await execute(bench, 'npm', ['run', '--silent', TOOLS[tool!]!, '--', ...args], 10 * MINUTE)
  if (/^NOT RUN: /m.test(output)) throw new Error(`${tool}: ${/^NOT RUN: .+$/m.exec(output)![0]}`)
  if (ok) return []
  const finding = FINDINGS.map((pattern) => pattern.exec(output)?.[1]).find((found) => found !== undefined)
  // Without a finding it is the tool that failed, not the mutant.
  if (finding === undefined) throw new Error(`${tool} failed:\n${output}`)
  return [`${tool}: ${finding}`]
}

async function runCargo(bench: Bench): Promise<Failures> {
  const { ok, output } = await execute(bench, 'cargo', ['test', '--features', 'napi', '--lib'], 3 * MINUTE)
  const failed = [...output.matchAll(/^test (\S+) \.\.\. FAILED$/gm)].map((match) => `cargo test: ${match[1]}`)
  return ok ? [] : failed.length > 0 ? failed : ['cargo test: the process ended']
}

async function runSuite(bench: Bench, suite: string[], test?: string): Promise<Failures> {
  if (isTool(suite)) return runTool(bench, suite)
  if (suite[0] === 'cargo') return runCargo(bench)
  const one = test === undefined ? [] : ['--match', test]
  const { ok, output } = await execute(bench, installed('ava'), ['--tap', '--fail-fast', ...one, ...suite], 6 * MINUTE)
  if (output.includes('find any matching tests')) throw new Error(`There is no test "${test}"`)
  const failed = [...output.matchAll(/^not ok \d+ - (.+)$/gm)].map((match) => match[1]!)
  return ok ? [] : failed.length > 0 ? failed : ['the test process ended']
}

async function build(bench: Bench): Promise<void> {
  if (bench.broken.native) await buildNative(bench)
  if (bench.broken.lib) await buildLib(bench)
  bench.broken.native = bench.broken.lib = false
}

async function attack(bench: Bench, mutant: Mutant): Promise<Failures> {
  await mustSucceed(bench, 'git', 'apply', '--whitespace=nowarn', mutant.patch)
  const built = mutant.native ? 'native' : 'lib'
  bench.broken[built] = true
  try {
    if (needsBuild(mutant.suite)) await build(bench)
    const failures = await runSuite(bench, mutant.suite, mutant.test)
    if (failures.length > 0 || isTool(mutant.suite)) return failures
    await build(bench)
    return await runSuite(bench, [])
  } catch (error) {
    throw new Error(`${mutant.name}: no result`, { cause: error })
  } finally {
    await mustSucceed(bench, 'git', 'apply', '--whitespace=nowarn', '--reverse', mutant.patch)
    bench.broken[built] = true
  }
}

/** Writes into a patch which test noticed: its title as ava's filter takes it. */
function note({ patch, suite, test }: Mutant, noticed: string): void {
  const title = /^(?:\S+ › )?(?:everything is given back for )?(.+?)(?: # .*)?$/.exec(noticed)?.[1]
  if (test !== undefined || suite[0] === 'cargo' || isTool(suite) || title === undefined) return
  // What ended the process may be any test.
  if (noticed === 'the test process ended' || / exited due to \w+$/.test(noticed)) return
  const text = readFileSync(patch, 'utf8')
  writeFileSync(
    patch,
    text.replace(/^Suite: .+$/m, (line) => `${line}\nTest: ${title.replaceAll('*', '\\*')}`),
  )
}

/** Takes one mutant after the other, and says what became of it. Returns how many survived. */
async function work(bench: Bench, mutants: Mutant[]): Promise<number> {
  let survivors = 0
  await build(bench)
  for (let mutant = mutants.shift(); mutant !== undefined; mutant = mutants.shift()) {
    // oxlint-disable-next-line no-await-in-loop -- there is one tree
    const [first, ...rest] = await attack(bench, mutant)
    if (first === undefined) survivors += 1
    else if (process.argv.includes('--note')) note(mutant, first)
    const more = rest.length > 0 ? ` (+${rest.length})` : ''
    console.log(
      `${first === undefined ? 'NOT OK' : 'ok'}  ${mutant.name}: ${mutant.breaks}\n      ` +
        (first === undefined ? 'SURVIVED' : `caught by: ${first}${more}`),
    )
  }
  return survivors
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
  const tested = process.argv.includes('--tested')
  const mutants = readdirSync(__dirname)
    .filter((file) => file.endsWith('.patch'))
    .sort()
    .map(readMutant)
    .filter(({ name }) => wanted.length === 0 || wanted.includes(name))
    .filter(({ suite }) => !(process.argv.includes('--no-tools') && isTool(suite)))
    // Of one kind behind each other, so that the other half need not be built again between them.
    .sort((one, other) => Number(other.native) - Number(one.native))
  const count = mutants.length
  const benches = Array.from({ length: Math.min(SIDE_BY_SIDE, count) }, (_, index) => ({
    copy: copyTree(),
    target: join(ROOT, `target/mutants-${index}`),
    broken: { native: true, lib: true },
  }))
  try {
    // The tools are run without a mutant by themselves.
    const specs = mutants.map(({ suite }) => suite).filter((suite) => suite[0] !== 'cargo' && !isTool(suite))
    if (!tested && specs.length > 0) {
      await build(benches[0]!)
      const unbroken = await runSuite(benches[0]!, [...new Set(specs.flat())])
      if (unbroken.length > 0) throw new Error(`Without a mutant these tests fail:\n${unbroken.join('\n')}`)
    }
    const survivors = await Promise.all(benches.map((bench) => work(bench, mutants)))
    const survived = survivors.reduce((sum, some) => sum + some, 0)
    console.log(`\n${count - survived} of ${count} mutants caught`)
    process.exitCode = survived === 0 && count > 0 ? 0 : 1
  } finally {
    for (const { copy } of benches) rmSync(copy, { recursive: true, force: true })
  }
}

void main()
