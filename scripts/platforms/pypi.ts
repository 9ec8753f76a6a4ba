/** What comes from the Python Package Index: zig, and files of wheels for other systems. */

import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { must, once, TOOLS } from './tools.js'

const ZIG = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.1']

/** The folder of commands in which `zig` and `cargo-zigbuild` are. */
export function zig(): string {
  // Not moved into its place when it is complete: a virtual environment knows its own path.
  const environment = join(TOOLS, 'zig')
  const commands = join(environment, 'bin')
  if (!existsSync(join(commands, 'zig'))) {
    rmSync(environment, { recursive: true, force: true })
    must('python3', ['-m', 'venv', environment])
    must(join(commands, 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...ZIG])
    const [python = ''] = readdirSync(join(environment, 'lib'))
    symlinkSync(join(environment, 'lib', python, 'site-packages/ziglang/zig'), join(commands, 'zig'))
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
