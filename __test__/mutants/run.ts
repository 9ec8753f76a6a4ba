/**
 * Breaks the code on purpose, one patch of this folder at a time, and shows which test notices.
 *
 * A patch begins with the lines `Breaks: …`, what it does, and `Suite: …`, the test files that should notice, or
 * `cargo` for the tests of the crate. If they do not, the whole suite is asked. Or the suite is a tool, with its
 * arguments: what only a tool can see, that very one must.
 *
 * `npm run mutants [-- [--tested] [--no-tools] name …]`; `--tested` says that the tests were seen to pass without a
 * mutant, `--no-tools` leaves out the mutants that only a tool can see.
 */

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'

const ROOT = resolve(__dirname, '../..')
const MINUTE = 60_000

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
  native: boolean
}

/** What the tests said: the names of those that failed, none if all passed. */
type Failures = string[]

function readMutant(file: string): Mutant {
  const text = readFileSync(join(__dirname, file), 'utf8')
  const header = (name: string): string => {
    const line = new RegExp(`^${name}: (.+)$`, 'm').exec(text)
    if (line === null) throw new Error(`${file} has no line "${name}: …"`)
    return line[1]!
  }
  return {
    name: basename(file, '.patch'),
    patch: join(__dirname, file),
    breaks: header('Breaks'),
    suite: suiteOf(file, header('Suite')),
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

function execute(copy: string, command: string, args: string[], timeout: number): { ok: boolean; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: copy,
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 28,
    // Apart from the real build, whose results the next run would reuse.
    env: { ...process.env, CARGO_TARGET_DIR: join(ROOT, 'target/mutants'), FORCE_COLOR: '0' },
  })
  const reason = error === undefined ? '' : `\n${error.message}`
  return { ok: status === 0, output: `${stdout}\n${stderr}${reason}` }
}

function mustSucceed(copy: string, command: string, ...args: string[]): void {
  const { ok, output } = execute(copy, command, args, 10 * MINUTE)
  if (!ok) throw new Error(`${command} ${args.join(' ')} failed:\n${output}`)
}

function buildNative(copy: string): void {
  // Unoptimised: it builds in seconds, and what a mutant breaks is broken all the same.
  mustSucceed(copy, 'npx', 'napi', 'build', '--platform', '--features', 'napi', '--no-js')
}

function buildLib(copy: string): void {
  // What a mutant leaves unused is no reason not to build it.
  mustSucceed(copy, 'npx', 'tsc', '-p', 'tsconfig.json', '--noUnusedLocals', 'false', '--noUnusedParameters', 'false')
}

function isTool(suite: string[]): boolean {
  return suite[0] !== undefined && Object.hasOwn(TOOLS, suite[0])
}

function needsBuild(suite: string[]): boolean {
  return suite[0] === 'model' || (suite[0] !== 'cargo' && !isTool(suite))
}

function runTool(copy: string, [tool, ...args]: string[]): Failures {
  const { ok, output } = execute(copy, 'npm', ['run', '--silent', TOOLS[tool!]!, '--', ...args], 10 * MINUTE)
  if (/^NOT RUN: /m.test(output)) throw new Error(`${tool}: ${/^NOT RUN: .+$/m.exec(output)![0]}`)
  if (ok) return []
  const finding = FINDINGS.map((pattern) => pattern.exec(output)?.[1]).find((found) => found !== undefined)
  // Without a finding it is the tool that failed, not the mutant.
  if (finding === undefined) throw new Error(`${tool} failed:\n${output}`)
  return [`${tool}: ${finding}`]
}

function runSuite(copy: string, suite: string[]): Failures {
  if (isTool(suite)) return runTool(copy, suite)
  if (suite[0] === 'cargo') {
    const { ok, output } = execute(copy, 'cargo', ['test', '--features', 'napi', '--lib'], 3 * MINUTE)
    const failed = [...output.matchAll(/^test (\S+) \.\.\. FAILED$/gm)].map((match) => `cargo test: ${match[1]}`)
    return ok ? [] : failed.length > 0 ? failed : ['cargo test: the process ended']
  }
  const { ok, output } = execute(copy, 'npx', ['ava', '--tap', '--fail-fast', ...suite], 6 * MINUTE)
  const failed = [...output.matchAll(/^not ok \d+ - (.+)$/gm)].map((match) => match[1]!)
  return ok ? [] : failed.length > 0 ? failed : ['the test process ended']
}

/** What the copy was last built from, so that nothing is built twice. */
const broken = { native: true, lib: true }

function build(copy: string): void {
  if (broken.native) buildNative(copy)
  if (broken.lib) buildLib(copy)
  broken.native = broken.lib = false
}

function attack(copy: string, mutant: Mutant): Failures {
  mustSucceed(copy, 'git', 'apply', '--whitespace=nowarn', mutant.patch)
  const built = mutant.native ? 'native' : 'lib'
  broken[built] = true
  try {
    if (needsBuild(mutant.suite)) build(copy)
    const failures = runSuite(copy, mutant.suite)
    if (failures.length > 0 || isTool(mutant.suite)) return failures
    build(copy)
    return runSuite(copy, [])
  } catch (error) {
    throw new Error(`${mutant.name}: no result`, { cause: error })
  } finally {
    mustSucceed(copy, 'git', 'apply', '--whitespace=nowarn', '--reverse', mutant.patch)
    broken[built] = true
  }
}

function main(): void {
  const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
  const tested = process.argv.includes('--tested')
  const mutants = readdirSync(__dirname)
    .filter((file) => file.endsWith('.patch'))
    .sort()
    .map(readMutant)
    .filter(({ name }) => wanted.length === 0 || wanted.includes(name))
    .filter(({ suite }) => !(process.argv.includes('--no-tools') && isTool(suite)))
  const copy = copyTree()
  try {
    build(copy)
    // The tools are run without a mutant by themselves.
    const specs = mutants.map(({ suite }) => suite).filter((suite) => suite[0] !== 'cargo' && !isTool(suite))
    const suites = [...new Set(specs.flat())]
    const unbroken = tested || suites.length === 0 ? [] : runSuite(copy, suites)
    if (unbroken.length > 0) throw new Error(`Without a mutant these tests fail:\n${unbroken.join('\n')}`)
    let survivors = 0
    for (const mutant of mutants) {
      const failures = attack(copy, mutant)
      if (failures.length === 0) survivors += 1
      const [first, ...rest] = failures
      const caught =
        first === undefined ? 'SURVIVED' : `caught by: ${first}${rest.length > 0 ? ` (+${rest.length})` : ''}`
      console.log(`${failures.length > 0 ? 'ok' : 'NOT OK'}  ${mutant.name}: ${mutant.breaks}\n      ${caught}`)
    }
    console.log(`\n${mutants.length - survivors} of ${mutants.length} mutants caught`)
    process.exitCode = survivors === 0 && mutants.length > 0 ? 0 : 1
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

main()
