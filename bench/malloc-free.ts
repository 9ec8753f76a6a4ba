/**
 * `npm run bench`: how fast a block is allocated and freed again, beside koffi's `alloc` and `free`.
 *
 * Runs on Node 20 and Node 24, each in a process of its own, prints what it measured and writes it to
 * bench/results/malloc-free.md. Exits with 1 if koffi is not slower on either.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { runtimePath, ROOT, type NodeVersion } from '../__test__/support/run.js'
import { isFaster, toMarkdown, toText, type Measurement } from './report.js'

const VERSIONS: readonly NodeVersion[] = [20, 24]

const REPORT = resolve(ROOT, 'bench/results/malloc-free.md')

function measure(version: NodeVersion): Measurement {
  const args = ['--import=tsx', resolve(__dirname, 'measure.ts')]
  const output = execFileSync(runtimePath(version), args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(output) as Measurement
}

function main(): void {
  const measurements = VERSIONS.map((version) => {
    const measurement = measure(version)
    console.log(toText(measurement))
    return measurement
  })
  mkdirSync(resolve(REPORT, '..'), { recursive: true })
  writeFileSync(REPORT, toMarkdown(measurements))
  for (const measurement of measurements) {
    if (isFaster(measurement)) continue
    console.error(`FAILED: on Node ${measurement.node}, malloc(64) and free are not faster than koffi.alloc and free`)
    process.exitCode = 1
  }
}

main()
