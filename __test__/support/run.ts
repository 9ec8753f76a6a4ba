import { spawn } from 'node:child_process'
import { resolve } from 'node:path'

export type NodeVersion = 20 | 22 | 24 | 26

/** A major version of Node, or another runtime that has Node-API. */
export type Runtime = NodeVersion | 'bun' | 'deno'

// `npm run test:all` has the tests on another platform: which runtimes there are, in which folder, and how slow.
const { CMALLOC_TEST_NODES: nodes, CMALLOC_TEST_RUNTIMES: folder, CMALLOC_TEST_PATIENCE: patience } = process.env

/** The major versions of Node that the tests run on. */
export const NODE_VERSIONS = only<NodeVersion>([20, 22, 24, 26])

/** Those of these versions of Node that there are, and all of them by default. */
export function only<T extends NodeVersion>(versions: readonly T[]): readonly T[] {
  return nodes === undefined ? versions : versions.filter((version) => nodes.split(',').includes(String(version)))
}

/** The other runtimes that the tests run on. */
export const OTHER_RUNTIMES: readonly Exclude<Runtime, NodeVersion>[] = nodes === undefined ? ['bun', 'deno'] : []

export interface Outcome {
  /** The exit code, or null if a signal ended the process. */
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Options {
  /** The runtime to run on; the Node that runs the tests if omitted. Deno runs fixtures only. */
  node?: Runtime
  /** Arguments for the runtime itself. */
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

/** Runs a program of `__test__/fixtures` in a process of its own. */
export function runFixture(name: string, args: string[] = [], options: Options = {}): Promise<Outcome> {
  return run([resolve(ROOT, '__test__/fixtures', name), ...args], options)
}

/** Runs a piece of CommonJS in a process of its own; `require('cmalloc')` works there. */
export function runSource(source: string, options: Options = {}): Promise<Outcome> {
  return run(['--eval', source], options)
}

function run(
  args: string[],
  { node, flags = [], env = {}, prefix = [], timeout = 120_000 }: Options,
): Promise<Outcome> {
  const [command, ...rest] = [
    ...prefix,
    node === undefined ? process.execPath : runtimePath(node),
    ...(node === 'deno' ? ['run', '--allow-all'] : []),
    ...flags,
    ...args,
  ]
  return new Promise((done, fail) => {
    const child = spawn(command!, rest, {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeout * Number(patience ?? 1),
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', fail)
    child.on('close', (code, signal) => done({ code, signal, stdout, stderr }))
  })
}
