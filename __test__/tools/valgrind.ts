/** Walks through the API under valgrind, which checks each access to memory of the very addon that ships. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ROOT } from '../support/run.js'
import { notRun } from './build.js'

const EXIT_CODE = 99

function walk(...plant: string[]): { status: number | null; output: string } {
  const options = [
    `--error-exitcode=${EXIT_CODE}`,
    '--leak-check=no',
    `--suppressions=${join(__dirname, 'valgrind.supp')}`,
  ]
  const program = [process.execPath, '--expose-gc', join(__dirname, 'walk.js'), ...plant]
  const { status, stdout, stderr } = spawnSync('valgrind', [...options, ...program], {
    cwd: ROOT,
    encoding: 'utf8',
    // What a cache keeps is not freed, so that a use of it would not be seen.
    env: { ...process.env, CMALLOC_CACHE: '0' },
    maxBuffer: 1 << 28,
  })
  return { status, output: `${stdout}${stderr}` }
}

function main(): void {
  if (spawnSync('valgrind', ['--version']).status !== 0) notRun('valgrind is not installed')
  const planted = walk('use after free')
  if (planted.status !== EXIT_CODE || !/Invalid write/.test(planted.output)) {
    throw new Error(`A planted use after free was not seen:\n${planted.output}`)
  }
  console.log('ok: a planted use after free is seen')
  const { status, output } = walk()
  const ok = status === 0 && output.includes('ERROR SUMMARY: 0 errors')
  console.log(ok ? 'ok: the walk through the API has 0 errors' : output)
  process.exitCode = ok ? 0 : 1
}

main()
