/** Starts what is measured: the programs of samples/ on a runtime, and those of c/. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { nameOf, ROOT, runtimePath, type Runtime } from '../__test__/support/run.js'

export { nameOf, type Runtime }

export const RUNTIMES: readonly Runtime[] = [20, 22, 24, 26, 'bun', 'deno']

/** Those that the claims are about: measured more often, and beside every peer. */
export const MAIN: readonly Runtime[] = [20, 24]
export const isMain = (runtime: Runtime): boolean => MAIN.includes(runtime)

/** How much is measured: enough to be relied on, or to see whether all works. */
export type Effort = 'full' | 'quick'

/** The FFI that a runtime brings itself, with which C's malloc and free can be called. */
const OWN_FFI: Partial<Record<Runtime, string>> = { 26: 'node:ffi', bun: 'bun:ffi', deno: 'Deno.dlopen' }

/** Who calls C's malloc and free from JavaScript, in a runtime. */
export function librariesOf(runtime: Runtime): string[] {
  const own = OWN_FFI[runtime]
  return own === undefined ? ['koffi.alloc'] : ['koffi.alloc', own]
}

/** Those FFIs, and where they are measured. */
export const OWN_FFIS: readonly { who: string; on: string }[] = RUNTIMES.flatMap((runtime) => {
  const who = OWN_FFI[runtime]
  return who === undefined ? [] : { who, on: nameOf(runtime) }
})

export const ownFfiOf = (on: string): string | undefined => OWN_FFIS.find((it) => it.on === on)?.who

/** Whose memory is not resident when it is there: for comparison only. */
const LAZY: ReadonlySet<string> = new Set(['koffi.alloc', ...Object.values(OWN_FFI), 'Buffer.alloc', 'new ArrayBuffer'])
export const isLazy = (who: string): boolean => LAZY.has(who)

const C_PROGRAMS = ['naive', 'populate', 'best', 'loop'] as const
export type CProgram = (typeof C_PROGRAMS)[number]

let folder: string | undefined

/** Compiles the programs of c/. */
function compile(): string {
  const target = mkdtempSync(join(tmpdir(), 'cmalloc-bench-'))
  for (const name of C_PROGRAMS) {
    const source = resolve(ROOT, `bench/c/${name}.c`)
    execFileSync('cc', ['-O2', '-Wall', '-pthread', source, '-o', join(target, name)], { stdio: 'inherit' })
  }
  return target
}

/** What a C program prints, which is JSON. */
export function runC<T>(name: CProgram, ...args: (string | number)[]): T {
  folder ??= compile()
  return parse(execFileSync(join(folder, name), args.map(String), { encoding: 'utf8' }))
}

/** What a program of samples/ prints, which is JSON. */
export function runSample<T>(runtime: Runtime, name: string, ...args: (string | number)[]): T {
  const forNode = ['--expose-gc', '--disable-warning=ExperimentalWarning']
  const flags = { bun: [], deno: ['run', '--allow-all'] }[runtime as string] ?? forNode
  const command = [...flags, resolve(ROOT, `bench/samples/${name}.js`), ...args.map(String)]
  const env = { ...process.env, NODE_OPTIONS: '' }
  return parse(execFileSync(runtimePath(runtime), command, { cwd: ROOT, encoding: 'utf8', env }))
}

function parse<T>(output: string): T {
  return JSON.parse(output) as T
}
