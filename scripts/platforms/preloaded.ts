/** Other allocators in the place of C's: `malloc` is a symbol, so a process may run with another one preloaded. */

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { debian } from './debian.js'
import { PRELOADED_LEFT_OUT } from './left-out.js'
import type { Place } from './place.js'
import { NotHere, ROOT } from './tools.js'

/** Debian's packages, and how the library in each begins. */
const ALLOCATORS = {
  jemalloc: { packages: ['libjemalloc2'], library: 'libjemalloc.so.2' },
  mimalloc: { packages: ['libmimalloc2.0'], library: 'libmimalloc.so.2' },
  tcmalloc: { packages: ['libtcmalloc-minimal4'], library: 'libtcmalloc_minimal.so.4' },
} as const

type Allocator = keyof typeof ALLOCATORS

const NODE = 24

/** A place for each of them. */
export const PRELOADED: readonly Place[] = (Object.keys(ALLOCATORS) as Allocator[]).map((allocator) => ({
  name: allocator,
  target: 'linux-x64-gnu',
  leftOut: PRELOADED_LEFT_OUT[allocator],
  remark: `Node ${NODE}, with ${allocator} preloaded`,
  prepare() {
    const node = join(ROOT, `__test__/runtimes/node_modules/node${NODE}/bin/node`)
    if (!existsSync(node)) throw new NotHere('the runtimes are not installed: npm ci')
    return { node, env: { CMALLOC_TEST_NODES: String(NODE), LD_PRELOAD: libraryOf(allocator) }, patience: 2 }
  },
}))

function libraryOf(allocator: Allocator): string {
  const { packages, library } = ALLOCATORS[allocator]
  const folder = join(debian({ name: allocator, packages }), 'usr/lib')
  const file = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith(`/${library}`))
  if (file === undefined) throw new NotHere(`the package of ${allocator} has no ${library}`)
  return join(folder, file)
}
