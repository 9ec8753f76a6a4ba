/** Bundlers, each with what makes it work. */

import { runtimePath } from '../../../__test__/support/run.js'
import type { At, Command, Place, Project } from '../kit.js'
import { HERE } from '../project.js'

const ESBUILD: Project = { name: 'esbuild', dependencies: { esbuild: '0.28.2' } }
const WEBPACK: Project = { name: 'webpack', dependencies: { webpack: '5.113.0', 'node-loader': '2.1.0' } }
const ROLLUP: Project = {
  name: 'rollup',
  dependencies: { rollup: '4.68.8', '@rollup/plugin-commonjs': '29.0.3', '@rollup/plugin-node-resolve': '16.0.3' },
}
const ROLLDOWN: Project = { name: 'rolldown', dependencies: { rolldown: '1.3.2' } }
const VITE: Project = { name: 'vite', dependencies: { vite: '8.3.8' } }
const NCC: Project = { name: 'ncc', dependencies: { '@vercel/ncc': '0.45.0' } }

const node = (...args: string[]): Command => ({ command: runtimePath(20), args })

const PROGRAM = { 'shared.mjs': 'shared.mjs', 'program.mjs': 'program.mjs' }

interface Recipe {
  name: string
  project: Project
  /** How it is built, into `out`. */
  build(at: At): Command
  /** What was built. */
  result?: string
  files?: Record<string, string>
  withModules?: boolean
  /** Whether the program is told where the addon is, by NAPI_RS_NATIVE_LIBRARY_PATH. */
  withPath?: boolean
  refuses?: RegExp
  silent?: RegExp
}

function place({ name, project, build, result = 'program.cjs', files, withPath, ...more }: Recipe): Place {
  const env = (at: At): Record<string, string> =>
    withPath === true ? { NAPI_RS_NATIVE_LIBRARY_PATH: addonPath(at) } : {}
  return {
    name,
    project,
    node: 20,
    files: { ...PROGRAM, ...files },
    commands: (at) => [build(at), { ...node(result), deployed: true, env: env(at) }],
    times: 1,
    ...more,
  }
}

const addonPath = ({ tool }: At): string => tool(`${HERE}/${HERE.replace('-', '.')}.node`)

function esbuild(...options: string[]): Recipe {
  return {
    name: ['esbuild', ...options].join(' '),
    project: ESBUILD,
    build: ({ tool }) => ({
      command: tool('esbuild/bin/esbuild'),
      args: ['program.mjs', '--bundle', '--platform=node', '--outdir=out', '--out-extension:.js=.cjs', ...options],
    }),
  }
}

function webpack(name: string): Recipe {
  return {
    name: `webpack, ${name}`,
    project: WEBPACK,
    files: { 'webpack-run.mjs': 'recipes/webpack-run.mjs', 'build.mjs': `recipes/webpack-${name}.mjs` },
    build: () => node('build.mjs'),
    silent: /^WARNING in/gm,
  }
}

const config = (name: string): Record<string, string> => ({ 'config.mjs': `recipes/${name}.mjs` })

const vite = ({ tool }: At, ...options: string[]): Command =>
  node(tool('vite/bin/vite.js'), 'build', '--logLevel=warn', ...options)

export const BUNDLERS: readonly Place[] = [
  place({ ...esbuild('--external:cmalloc'), withModules: true }),
  place({ ...esbuild('--loader:.node=copy') }),
  place(esbuild('--loader:.node=copy', '--minify')),
  place(esbuild('--loader:.node=copy', '--target=es2020')),
  // Older still, but for bigints, which cannot be written in any other way.
  place(esbuild('--loader:.node=copy', '--target=es2015', '--supported:bigint=true')),
  place({ ...esbuild('--external:*.node', '--external:cmalloc-*'), withPath: true }),
  place({ ...esbuild('--loader:.node=file'), refuses: /^Error: .*bundler[^]*ERR_CMALLOC_NO_BINDING/m }),
  place({ ...webpack('externals'), withModules: true }),
  place(webpack('node-loader')),
  place({ ...webpack('path'), withPath: true }),
  place({
    name: 'rollup, external',
    project: ROLLUP,
    files: config('rollup-external'),
    build: ({ tool }) => node(tool('rollup/dist/bin/rollup'), '--config', 'config.mjs'),
    withModules: true,
  }),
  place({
    name: 'rollup, addon external',
    project: ROLLUP,
    files: config('rollup'),
    build: ({ tool }) => node(tool('rollup/dist/bin/rollup'), '--config', 'config.mjs'),
    withModules: true,
  }),
  ...['external', 'addon external'].map((name) =>
    place({
      name: `rolldown, ${name}`,
      project: ROLLDOWN,
      files: config(`rolldown-${name.replace(' ', '-')}`),
      build: ({ tool }) => node(tool('rolldown/bin/cli.mjs'), '--config', 'config.mjs'),
      withModules: true,
    }),
  ),
  place({
    name: 'vite, SSR',
    project: VITE,
    build: (at) => vite(at, '--ssr', 'program.mjs', '--outDir', 'out'),
    result: 'program.mjs',
    withModules: true,
  }),
  place({
    name: 'vite, SSR, addon external',
    project: VITE,
    files: config('vite-inline'),
    build: (at) => vite(at, '--config', 'config.mjs'),
    result: 'program.mjs',
    withModules: true,
  }),
  place({
    name: 'ncc',
    project: NCC,
    build: ({ tool }) => node(tool('@vercel/ncc/dist/ncc/cli.js'), 'build', 'program.mjs', '--out', 'out'),
    result: 'index.mjs',
  }),
]
