/** Single executables: a runtime and a program in one file. */

import { join } from 'node:path'
import type { Runtime } from '../../../__test__/support/run.js'
import type { At, Place, Project } from '../kit.js'
import { addonPath, NONE, recipe, type Variant } from './recipe.js'

const SEA: Project = { name: 'sea', dependencies: { esbuild: '0.28.2', postject: '1.0.0-alpha.6' } }

type Environment = (at: At) => Record<string, string>

function place(title: string, project: Project, node: Runtime, variant: Variant = {}, env?: Environment): Place {
  return recipe(title, project, node, variant, (at) => ({
    command: join(at.deployed, 'program'),
    args: [],
    deployed: true,
    // The runtime is in the executable: where it runs, there is none.
    env: { PATH: '', ...env?.(at) },
  }))
}

const BY_PATH = "Node's single executable, addon by path"

export const EXECUTABLES: readonly Place[] = [
  place("Node's single executable, addon as an asset", SEA, 26),
  place(BY_PATH, SEA, 26, {}, (at) => ({ NAPI_RS_NATIVE_LIBRARY_PATH: addonPath(at) })),
  place(BY_PATH, SEA, 26, { but: 'that is not given', refuses: /docs\/bundling\.md[^]*ERR_CMALLOC_NO_BINDING/ }),
  place("Node's single executable, addon beside it, before Node 25.5", SEA, 20),
  place('bun executable, by bun build', NONE, 'bun'),
  // The runtime for executables is not in the package of Deno: it downloads that.
  place('deno compile', NONE, 'deno', { unreachable: /error sending request for url .*/ }),
]
