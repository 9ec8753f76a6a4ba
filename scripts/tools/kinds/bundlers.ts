/** Bundlers, each with what makes it work. */

import { runtimePath } from '../../../__test__/support/run.js'
import type { Place, Project } from '../kit.js'
import { addonPath, NONE, recipe, type Variant } from './recipe.js'

const ESBUILD: Project = { name: 'esbuild', dependencies: { esbuild: '0.28.2' } }
const WEBPACK: Project = {
  name: 'webpack',
  dependencies: { webpack: '5.113.0', 'webpack-cli': '7.3.1', 'node-loader': '2.1.0' },
}
const ROLLUP: Project = {
  name: 'rollup',
  dependencies: { rollup: '4.68.8', '@rollup/plugin-commonjs': '29.0.3', '@rollup/plugin-node-resolve': '16.0.3' },
}
const ROLLDOWN: Project = { name: 'rolldown', dependencies: { rolldown: '1.3.2' } }
const VITE: Project = { name: 'vite', dependencies: { vite: '8.3.8' } }
const NCC: Project = { name: 'ncc', dependencies: { '@vercel/ncc': '0.45.0' } }

interface Options extends Variant {
  /** What was built. */
  result?: string
  /** Whether the program is told where the addon is, by NAPI_RS_NATIVE_LIBRARY_PATH. */
  withPath?: boolean
}

function place(title: string, project: Project, options: Options = {}): Place {
  const { result = 'program.cjs', withPath = false, node = 20, ...more } = options
  return recipe(title, project, node, more, (at) => ({
    command: runtimePath(node),
    args: [result],
    deployed: true,
    env: withPath ? { NAPI_RS_NATIVE_LIBRARY_PATH: addonPath(at) } : {},
  }))
}

const COPIED = 'esbuild, addon copied'
const NO_WARNING = { silent: /^WARNING in/gm }

export const BUNDLERS: readonly Place[] = [
  place('esbuild, cmalloc external', ESBUILD, { withModules: true }),
  place(COPIED, ESBUILD),
  place(COPIED, ESBUILD, { arguments: '--minify' }),
  place(COPIED, ESBUILD, { arguments: '--target=es2020' }),
  // Older still, but for bigints, which cannot be written in any other way.
  place(COPIED, ESBUILD, { arguments: '--target=es2015 --supported:bigint=true' }),
  place(COPIED, ESBUILD, { arguments: '--loader:.node=file', refuses: /a bundler gave[^]*ERR_CMALLOC_NO_BINDING/ }),
  place('esbuild, addon copied, as an ES module', ESBUILD, { result: 'program.mjs' }),
  place('esbuild, addon by path', ESBUILD, { withPath: true }),
  place('webpack, cmalloc external', WEBPACK, { withModules: true, ...NO_WARNING }),
  place('webpack, addon copied', WEBPACK, NO_WARNING),
  place('webpack, addon by path', WEBPACK, { withPath: true, ...NO_WARNING }),
  place('rollup, cmalloc external', ROLLUP, { withModules: true }),
  place('rollup, addon external', ROLLUP, { withModules: true }),
  place('rolldown, cmalloc external', ROLLDOWN, { withModules: true }),
  place('rolldown, addon external', ROLLDOWN, { withModules: true }),
  place('Vite SSR', VITE, { withModules: true, result: 'program.mjs' }),
  place('Vite SSR, addon external', VITE, { withModules: true, result: 'program.mjs' }),
  place('ncc', NCC, { result: 'index.mjs' }),
  place('bun build', NONE, { node: 'bun', result: 'program.js' }),
]
