/**
 * `npm run build:all`: builds the addon for every platform that this machine can, into `artifacts/`, and checks each.
 *
 * `-- linux-x64-musl …` builds these alone, and `-- --check` checks what is in `artifacts/` already. A target may also be
 * called as in `napi.targets`.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { table } from '../bench/report/text.js'
import { ARTIFACTS, build } from './platforms/build.js'
import { check } from './platforms/check.js'
import { publish } from './platforms/publish.js'
import { NOT_BUILT, TARGETS, type Target } from './platforms/targets.js'
import { NotHere } from './platforms/tools.js'

const { values, positionals } = parseArgs({ options: { check: { type: 'boolean' } }, allowPositionals: true })
const isCalled = (target: Target, name: string): boolean => target.name === name || target.napi === name
const unknown = positionals.filter((name) => !TARGETS.some((target) => isCalled(target, name)))
if (unknown.length > 0) throw new Error(`There is no target ${unknown.join(', ')}`)

const rows: string[][] = []
for (const target of TARGETS) {
  if (positionals.length === 0 || positionals.some((name) => isCalled(target, name)))
    rows.push([target.name, ...row(target)])
}
if (positionals.length === 0) {
  for (const { name, reason } of NOT_BUILT) rows.push([name, 'NOT BUILT', '', '', '', '', reason])
}
publish('build-all.txt', table(['target', 'built', 'format', 'glibc', 'kB', 'needs', 'remark'], rows))

/** Builds and checks one: its row of the table. */
function row(target: Target): string[] {
  console.log(`${target.name}: ${values.check ? 'checking' : 'building'} …`)
  try {
    if (!values.check) build(target)
  } catch (error) {
    const missing = error instanceof NotHere
    if (!missing) process.exitCode = 1
    return [missing ? 'NOT BUILT' : 'FAILED', '', '', '', '', (error as Error).message]
  }
  if (!existsSync(join(ARTIFACTS, target.file))) {
    if (positionals.length > 0) process.exitCode = 1
    return ['NOT BUILT', '', '', '', '', `there is no ${target.file}`]
  }
  try {
    const { size, libraries, glibc, wrong } = check(join(ARTIFACTS, target.file), target)
    if (wrong.length > 0) process.exitCode = 1
    return [
      wrong.length === 0 ? 'yes' : 'WRONG',
      `${target.format} ${target.arch}`,
      glibc ?? '',
      String(Math.round(size / 1000)),
      needs(libraries),
      wrong.length === 0 ? target.note : wrong.join('; '),
    ]
  } catch (error) {
    process.exitCode = 1
    return ['NOT CHECKED', '', '', '', '', (error as Error).message]
  }
}

/** The parts of Windows' C library are many, and of no interest. */
function needs(libraries: string[]): string {
  return [...new Set(libraries.map((name) => name.replace(/^api-ms-win-(core|crt)-.*/, 'api-ms-win-$1-*')))].join(' ')
}
