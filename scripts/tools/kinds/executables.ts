/** Single executables: a runtime and a program in one file. */

import { join } from 'node:path'
import { runtimePath, type Runtime } from '../../../__test__/support/run.js'
import type { At, Command, Place, Project } from '../kit.js'
import { HERE } from '../project.js'

const SEA: Project = { name: 'sea', dependencies: { esbuild: '0.28.2', postject: '1.0.0-alpha.6' } }
const NONE: Project = { name: 'none', dependencies: {} }

const PROGRAM = { 'shared.mjs': 'shared.mjs', 'program.mjs': 'program.mjs' }

/** The runtime is in the executable: where it runs, there is none. */
const run = ({ deployed }: At, env: Record<string, string> = {}): Command => ({
  command: join(deployed, 'program'),
  args: [],
  deployed: true,
  env: { PATH: '', ...env },
})

function sea(
  node: Runtime,
  recipe: string,
  files: Record<string, string> = {},
  env: (at: At) => Record<string, string> = () => ({}),
): Place {
  return {
    name: `Node's single executable, ${recipe}`,
    project: SEA,
    node,
    files: { ...PROGRAM, 'sea-run.mjs': 'recipes/sea-run.mjs', 'build.mjs': `recipes/sea-${recipe}.mjs`, ...files },
    commands: (at) => [{ command: runtimePath(node), args: ['build.mjs', HERE] }, run(at, env(at))],
    times: 1,
  }
}

function compiled(name: string, runtime: 'bun' | 'deno', args: string[], unreachable?: RegExp): Place {
  return {
    name,
    project: NONE,
    node: runtime,
    files: PROGRAM,
    commands: (at) => [{ command: runtimePath(runtime), args: [...args, 'program.mjs'] }, run(at)],
    times: 1,
    ...(unreachable && { unreachable }),
  }
}

const DENO = ['--allow-all', '--no-check', '--node-modules-dir=manual', '--output=out/program']

export const EXECUTABLES: readonly Place[] = [
  sea(24, 'require'),
  sea(26, 'path', {}, ({ deployed }) => ({ NAPI_RS_NATIVE_LIBRARY_PATH: join(deployed, 'addon.node') })),
  sea(20, 'asset', { 'main.cjs': 'recipes/sea-asset-main.cjs' }),
  compiled('bun build --compile', 'bun', ['build', '--compile', '--outfile=out/program']),
  // The runtime for executables is not in the package of Deno: it downloads that.
  compiled('deno compile', 'deno', ['compile', ...DENO], /error sending request for url .*/),
]
