/**
 * Runs specs and random sequences with AddressSanitizer, which sees each use of memory that was freed, each double free,
 * and each access beyond a block. The programs that specs start run with it too.
 */

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/run.js'
import { buildWithAsan, clearReports, environment, reports } from './sanitizer.js'

/** Those that are about who owns a block, and how long. */
const SPECS = [
  'arena',
  'async',
  'consume',
  'escapes',
  'handle',
  'in-flight',
  'lifetimes',
  'mem-manager',
  'native',
  'pool',
]

/** Random sequences, of which those with hostile arguments free and resize handles in the middle of everything. */
const RANDOM = ['fuzz', 'model']
const SEQUENCES = '4000'

/** Why others cannot be run. The rest is left out for its time. */
const LEFT_OUT: Record<string, string> = {
  cache: 'the sanitizer needs it off: a use of what is kept would not be seen',
  'let-go': 'it measures memory, to which the sanitizer adds',
  limits: 'it limits the address space, of which the sanitizer takes terabytes, and measures memory',
  residency: 'it measures resident memory, to which the sanitizer adds',
  'server-load': 'it measures memory, to which the sanitizer adds',
  stats: 'it measures memory, to which the sanitizer adds',
}

/** Planted, to see that the sanitizer is there. */
const PLANTS = {
  'use after free': 'heap-use-after-free',
  'double free': 'double-free',
  overflow: 'heap-buffer-overflow',
}

function main(): void {
  const env = { ...process.env, ...environment(buildWithAsan(), { detect_leaks: 0 }) }
  for (const [plant, kind] of Object.entries(PLANTS)) {
    clearReports()
    spawnSync(process.execPath, ['--expose-gc', join(__dirname, 'walk.js'), plant], { cwd: ROOT, env })
    if (!reports().some((report) => report.includes(kind))) throw new Error(`A planted ${plant} was not seen`)
    console.log(`ok: a planted ${plant} is seen`)
  }

  const wanted = process.argv.slice(2)
  const specs = (wanted.length > 0 ? wanted : SPECS).map((name) => `${name}.spec.ts`)
  for (const file of readdirSync(join(ROOT, '__test__')).filter((entry) => entry.endsWith('.spec.ts'))) {
    const reason = LEFT_OUT[file.replace('.spec.ts', '')] ?? 'it is not about who owns a block, and how long'
    if (!specs.includes(file)) console.log(`left out: ${file}: ${reason}`)
  }
  clearReports()
  const files = specs.map((file) => `__test__/${file}`)
  const commands = [['npx', 'ava', ...files]]
  if (wanted.length === 0) {
    const program = join(ROOT, '__test__/random/run.ts')
    for (const suite of RANDOM)
      commands.push([process.execPath, '--import=tsx', program, suite, '--sequences', SEQUENCES])
  }
  const failed = commands.filter(
    ([command, ...args]) => spawnSync(command!, args, { cwd: ROOT, env, stdio: 'inherit' }).status !== 0,
  )
  const found = reports()
  for (const report of found) console.log(report)
  console.log(`${specs.join(', ')}: AddressSanitizer reported ${found.length} errors`)
  process.exitCode = failed.length === 0 && found.length === 0 ? 0 : 1
}

main()
