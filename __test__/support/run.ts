import { spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { argumentsForProgram, evaluation, OWN, withoutWorkersErrors, type OtherRuntime } from './command.js'

export type NodeVersion = 20 | 22 | 24 | 26

/** A major version of Node, or another runtime that has Node-API. */
export type Runtime = NodeVersion | OtherRuntime

// `npm run test:all` has the tests on another platform: which runtimes there are, in which folder, and how slow.
const { CMALLOC_TEST_NODES: nodes, CMALLOC_TEST_RUNTIMES: folder, CMALLOC_TEST_PATIENCE: patience } = process.env

/** Whether everything runs on everything, as in CI. */
const IN_FULL = nodes !== undefined || process.env['CMALLOC_TEST_MATRIX'] === 'all'

/**
 * The major versions of Node that the tests run on: the oldest and the newest, which tell most; with
 * `CMALLOC_TEST_MATRIX=all` those between them too.
 */
export const NODE_VERSIONS = only<NodeVersion>(IN_FULL ? [20, 22, 24, 26] : [20, 26])

/** What programs run on: every Node, or what the place has that the tests run in. */
export const RUNTIMES: readonly Runtime[] =
  nodes === undefined ? NODE_VERSIONS : only<Runtime>([...NODE_VERSIONS, 'bun', 'deno'])

/**
 * The runtimes of one of many cases of the same kind, by its number. On a second version each tells little more, so the
 * cases take turns: every version has its share of them. With `CMALLOC_TEST_MATRIX=all` each case runs on all.
 */
export function inTurn<T extends Runtime>(index: number, runtimes: readonly T[]): readonly T[] {
  return IN_FULL || runtimes.length === 0 ? runtimes : [runtimes[index % runtimes.length]!]
}

/** Those of these runtimes that there are, and all of them by default. */
export function only<T extends Runtime>(versions: readonly T[]): readonly T[] {
  return nodes === undefined ? versions : versions.filter((version) => nodes.split(',').includes(String(version)))
}

/** The runtimes on which some programs run besides. */
export const OTHER_RUNTIMES: readonly OtherRuntime[] = nodes === undefined ? ['bun', 'deno'] : []

export interface Outcome {
  /** The exit code, or null if a signal ended the process. */
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Options {
  /** The runtime to run on; the one that runs the tests if omitted. */
  node?: Runtime
  /** Arguments for the runtime itself, as Node has them. */
  flags?: string[]
  env?: Record<string, string>
  /** What stands before the command, such as `['prlimit', '--as=1000000000']`. */
  prefix?: string[]
  /** Milliseconds after which the process is killed. */
  timeout?: number
}

export const ROOT = resolve(__dirname, '../..')

/** The path of a runtime, such as a Node of that major version. */
export function runtimePath(runtime: Runtime): string {
  const path = { bun: 'bun/bin/bun.exe', deno: 'deno/deno' }[runtime as string] ?? `node${runtime}/bin/node`
  return resolve(ROOT, folder ?? '__test__/runtimes/node_modules', path)
}

/** How a test calls a runtime. */
export function nameOf(runtime: Runtime): string {
  return { bun: 'Bun', deno: 'Deno' }[runtime as string] ?? `Node ${runtime}`
}

/** What stands before the path of a program: a runtime, the one of this process if omitted, with flags of Node's. */
export function commandOf(runtime: Runtime | undefined, flags: readonly string[]): string[] {
  return [pathOf(runtime), ...argumentsForProgram(kindOf(runtime), flags)]
}

function pathOf(runtime: Runtime | undefined): string {
  return runtime === undefined ? process.execPath : runtimePath(runtime)
}

function kindOf(runtime: Runtime | undefined): OtherRuntime | undefined {
  if (runtime === undefined) return OWN
  return typeof runtime === 'string' ? runtime : undefined
}

/** Runs a program of `__test__/fixtures` in a process of its own. */
export function runFixture(name: string, args: string[] = [], options: Options = {}): Promise<Outcome> {
  const path = resolve(ROOT, '__test__/fixtures', name)
  return run([...commandOf(options.node, options.flags ?? []), path, ...args], options)
}

/** The scenarios of a program of `__test__/fixtures`, as it lists them itself: the titles of the tests that run them. */
export function scenariosOf(fixture: string): string[] {
  const [command, ...args] = [...commandOf(undefined, ['--expose-gc']), resolve(ROOT, '__test__/fixtures', fixture)]
  const { status, stdout, stderr } = spawnSync(command!, [...args, '--list'], { cwd: ROOT, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${fixture} lists no scenarios: ${stderr}`)
  return stdout.trim().split('\n')
}

/** Runs a piece of CommonJS in a process of its own; `require('cmalloc')` works there. */
export function runSource(source: string, options: Options = {}): Promise<Outcome> {
  const { node, flags = [] } = options
  return run([pathOf(node), ...evaluation(kindOf(node), flags, source)], options)
}

function run(line: string[], options: Options): Promise<Outcome> {
  const { env = {}, prefix = [], timeout = 120_000 } = options
  const onDeno = kindOf(options.node) === 'deno'
  const [command, ...rest] = [...prefix, ...line]
  const files = mkdtempSync(join(tmpdir(), 'cmalloc-run-'))
  // Files, as a pipe would be a network handle: as long as one is open, `free()` in this process lets viewed blocks go.
  const [stdout, stderr] = ['stdout', 'stderr'].map((name) => openSync(join(files, name), 'w+')) as [number, number]
  return new Promise((done, fail) => {
    const child = spawn(command!, rest, {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '', ...(onDeno && { NO_COLOR: '1' }), ...env },
      stdio: ['ignore', stdout, stderr],
      timeout: timeout * Number(patience ?? 1),
      killSignal: 'SIGKILL',
    })
    const end = (): [stdout: string, stderr: string] => {
      for (const file of [stdout, stderr]) closeSync(file)
      const said = ['stdout', 'stderr'].map((name) => readFileSync(join(files, name), 'utf8')) as [string, string]
      rmSync(files, { recursive: true, force: true })
      return said
    }
    child.on('error', (error) => {
      end()
      fail(error)
    })
    child.on('close', (code, signal) => {
      if (child.pid === undefined) return
      const [out, err] = end()
      done({ code, signal, stdout: out, stderr: onDeno ? withoutWorkersErrors(err) : err })
    })
  })
}
