/** Builds the addon for a target, with zig as the compiler of C and the linker. */

import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { zig } from './pypi.js'
import type { Target } from './targets.js'
import { must, once, ROOT } from './tools.js'

export const ARTIFACTS = join(ROOT, 'artifacts')

const OUTPUT = { ELF: 'libcmalloc.so', PE: 'cmalloc.dll', 'Mach-O': 'libcmalloc.dylib' }

/** Leaves the addon in `artifacts/`. Not by `napi build`, which also writes the loader and the typings. */
export function build(target: Target): void {
  const commands = zig()
  must('rustup', ['target', 'add', target.rust])
  const triple = target.glibc === undefined ? target.rust : `${target.rust}.${target.glibc}`
  const args = ['build', '--release', '--features', 'napi', '--target', triple]
  const { status } = spawnSync(join(ROOT, 'scripts/cargo-cdylib'), args, {
    cwd: ROOT,
    env: {
      ...process.env,
      PATH: `${commands}${delimiter}${process.env['PATH']}`,
      CARGO_FOR_CDYLIB: 'cargo-zigbuild',
      CARGO_TARGET_DIR: join(ROOT, 'target'),
      LIBNODE_PATH: libnode(),
      RUSTFLAGS: target.rustflags ?? '',
    },
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('it does not compile: see above')
  mkdirSync(ARTIFACTS, { recursive: true })
  copyFileSync(join(ROOT, 'target', target.rust, 'release', OUTPUT[target.format]), join(ARTIFACTS, target.file))
}

/** The crate napi-build wants Node's own library for Windows; with its feature dyn-symbols nothing is taken from it. */
function libnode(): string {
  return once('libnode', (folder) => {
    writeFileSync(join(folder, 'libnode.dll'), '')
    writeFileSync(join(folder, 'libnode.a'), '!<arch>\n')
  })
}
