/** `npm run check:crate`: packs the crate, builds it from the package, and runs its example there. */

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { kilobytes, printTable } from './report.js'
import { succeed } from './run.js'
import { ROOT } from './stage.js'

const EXPECTED =
  /^(\.cargo_vcs_info\.json|Cargo\.(toml|toml\.orig|lock)|build\.rs|README\.md|LICENSE|CHANGELOG\.md|src\/[\w/]+\.(rs|d\.ts)|examples\/resident\.rs)$/

async function main(): Promise<void> {
  const cargo = async (...args: string[]): Promise<{ output: string; milliseconds: number }> =>
    succeed('cargo', args, ROOT)
  // What is not committed is packed as well: the release job has nothing of that kind.
  const { output } = await cargo('package', '--list', '--allow-dirty', '--quiet')
  const files = output.trim().split('\n')
  console.log(`${files.join(' ')}\n`)
  const unexpected = files.filter((path) => !EXPECTED.test(path))
  if (unexpected.length > 0) throw new Error(`The crate must not have ${unexpected.join(' ')}`)
  const { milliseconds } = await cargo('package', '--allow-dirty', '--quiet')
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  const packages = join(process.env['CARGO_TARGET_DIR'] ?? join(ROOT, 'target'), 'package')
  const { size } = statSync(join(packages, `cmalloc-${version}.crate`))
  printTable(
    ['crate', 'files', 'packed', 'builds from the package'],
    [[`cmalloc ${version}`, String(files.length), kilobytes(size), `${(milliseconds / 1000).toFixed(1)} s`]],
  )
  // Where cargo unpacked it to build it.
  const manifest = join(packages, `cmalloc-${version}`, 'Cargo.toml')
  const example = await cargo('run', '--quiet', '--locked', '--manifest-path', manifest, '--example', 'resident')
  console.log(`\nIts example says there:\n${example.output.trimEnd()}`)
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
