/** How each runtime is told to run a program: the same flags of Node's for all of them. */

import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Runtimes other than Node that have Node-API. */
export type OtherRuntime = 'bun' | 'deno'

/** The runtime of this process, if it is not Node. */
export const OWN: OtherRuntime | undefined = 'Bun' in globalThis ? 'bun' : 'Deno' in globalThis ? 'deno' : undefined

// Deno has no hooks for modules that are imported: TypeScript is compiled to CommonJS there.
const TSX = join(resolve(__dirname, '../..'), 'node_modules/tsx/dist/cjs/index.cjs')

/** What follows tsx on Node. */
const IDLE = `--import=${pathToFileURL(join(__dirname, 'idle.mjs'))}`

/** What a flag of Node's is called elsewhere; nothing where it is not needed. */
const FLAGS: Record<OtherRuntime, Record<string, string[]>> = {
  bun: { '--import=tsx': [] },
  deno: {
    '--import=tsx': [`--require=${TSX}`],
    '--expose-gc': ['--v8-flags=--expose-gc'],
    // It cannot be told to.
    '--no-warnings': [],
  },
}

/** What stands between a runtime and the path of a program, for these flags of Node's. */
export function argumentsFor(runtime: OtherRuntime | undefined, flags: readonly string[]): string[] {
  if (runtime === undefined) return flags.flatMap((flag) => (flag === '--import=tsx' ? [flag, IDLE] : [flag]))
  const translated = flags.flatMap((flag) => FLAGS[runtime][flag] ?? [flag])
  return runtime === 'deno' ? ['run', '--allow-all', ...translated] : translated
}

/** {@link argumentsFor}, and what Deno needs besides for a program in TypeScript. */
export function argumentsForProgram(runtime: OtherRuntime | undefined, flags: readonly string[]): string[] {
  const compiled = runtime === 'deno' && flags.includes('--import=tsx')
  return [...argumentsFor(runtime, flags), ...(compiled ? [join(__dirname, 'main.cjs')] : [])]
}

/** What stands behind a runtime to run a piece of CommonJS. */
export function evaluation(runtime: OtherRuntime | undefined, flags: readonly string[], source: string): string[] {
  if (runtime !== 'deno') return [...argumentsFor(runtime, flags), '--eval', source]
  // Without the flag for permissions: what is evaluated has all of them.
  const [, , ...translated] = argumentsFor(runtime, flags)
  return ['eval', '--ext=cjs', ...translated, source]
}

/** What Deno wrote to standard error without the errors of workers, which it reports though somebody listens to them. */
export function withoutWorkersErrors(stderr: string): string {
  return stderr.replace(/^error: Uncaught \(in worker .*\n(?: .*\n)*/gm, '')
}
