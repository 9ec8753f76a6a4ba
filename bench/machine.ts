/** On what was measured. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os'
import { resolve } from 'node:path'
import { version } from 'cmalloc/package.json'
import { ROOT, runtimePath } from '../__test__/support/run.js'
import { nameOf, RUNTIMES } from './programs.js'
import { size } from './report/text.js'

const PROCESSOR = `${cpus()[0]?.model.trim()}, ${cpus().length} cores`

/** In a few words, for the plots. */
export const IN_SHORT = `${PROCESSOR}, ${type()} ${release()}`

/** A line for each thing that the times depend on. */
export function describeMachine(): string[] {
  const addon = resolve(ROOT, 'cmalloc.linux-x64-gnu.node')
  const compiler = execFileSync('cc', ['--version'], { encoding: 'utf8' }).split('\n')[0]
  const load = loadavg()[0]!.toFixed(2)
  return [
    `date: ${new Date().toISOString().slice(0, 10)}`,
    `processor: ${PROCESSOR}; memory: ${Math.round(totalmem() / 2 ** 30)} GiB; what else it had to do at the start: a load of ${load}`,
    `system: ${type()} ${release()} ${arch()}; huge pages: ${read('/sys/kernel/mm/transparent_hugepage/enabled')}`,
    `runtimes: ${RUNTIMES.map(versionOf).join(', ')}`,
    `cmalloc ${version}, koffi ${installed('koffi')}, sodium-native ${installed('sodium-native')}; C: ${compiler}`,
    `the addon has ${existsSync(addon) ? size(statSync(addon).size) : 'an unknown size'}`,
  ]
}

function versionOf(runtime: (typeof RUNTIMES)[number]): string {
  const output = execFileSync(runtimePath(runtime), ['--version'], { encoding: 'utf8' })
  return `${nameOf(runtime)}: ${/\d+\.\d+\.\d+/.exec(output)?.[0]}`
}

function installed(name: string): string {
  const { version: found } = JSON.parse(read(resolve(ROOT, 'node_modules', name, 'package.json'))) as {
    version: string
  }
  return found
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : 'unknown'
}
