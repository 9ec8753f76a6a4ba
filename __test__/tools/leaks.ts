/** Walks through the API with LeakSanitizer, on every version of Node: at its end nobody may have been forgotten. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { NODE_VERSIONS, runtimePath, ROOT } from '../support/run.js'
import { buildWithAsan, clearReports, environment, reports } from './sanitizer.js'

function main(): void {
  const env = {
    ...process.env,
    ...environment(buildWithAsan(), { detect_leaks: 1 }),
    LSAN_OPTIONS: `print_suppressions=0:suppressions=${join(__dirname, 'lsan.supp')}`,
  }
  const walk = (node: string, ...plant: string[]): { status: number | null; found: string[] } => {
    clearReports()
    const args = ['--expose-gc', join(__dirname, 'walk.js'), ...plant]
    const { status } = spawnSync(node, args, { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'inherit'] })
    return { status, found: reports() }
  }
  for (const version of NODE_VERSIONS) {
    const planted = walk(runtimePath(version), 'leak')
    if (!planted.found.some((report) => /Direct leak of 1000 byte/.test(report))) {
      throw new Error(`A planted leak was not seen on Node ${version}`)
    }
    const { status, found } = walk(runtimePath(version))
    for (const report of found) console.log(report)
    const ok = status === 0 && found.length === 0
    console.log(
      `${ok ? 'ok' : 'NOT OK'}: Node ${version} leaks ${ok ? 'nothing, and' : '; see above.'} a planted leak is seen`,
    )
    if (!ok) process.exitCode = 1
  }
}

main()
