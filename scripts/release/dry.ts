/**
 * `npm run release:dry`: all that a release does, but for the upload. Ends with what would be published, and with what
 * stands against it, if anything does.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kilobytes } from '../packages/report.js'
import { inTurn, run, succeed } from '../packages/run.js'
import { NPM, stage } from '../packages/stage.js'
import { releaseOf } from './changelog.js'
import { newestRelease } from './semver.js'
import { differences, ROOT, versions } from './versions.js'

const against: string[] = []

async function step(title: string, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now()
  try {
    await work()
    console.log(`ok, ${((performance.now() - start) / 1000).toFixed(1)} s: ${title}`)
  } catch (error) {
    console.log(`NOT OK: ${title}`)
    against.push(`${title}: ${(error as Error).message}`)
  }
}

const npm = (cwd: string, ...args: string[]): Promise<unknown> => succeed(process.execPath, [NPM, ...args], cwd)

async function main(folder: string): Promise<void> {
  const found = versions(ROOT)
  const version = found['package.json']!
  let notes = ''
  await step('The changelog is about this version, and dated', async () => {
    notes = releaseOf(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), version, undefined).notes
  })
  await step('The version is the same everywhere', async () => {
    const different = differences(found)
    if (different.length > 0) throw new Error(different.join('\n'))
  })
  await step('Everything is committed', async () => {
    const { output } = await succeed('git', ['status', '--porcelain'], ROOT)
    if (output !== '') throw new Error(output.trim())
  })
  await step('The tag is not taken', async () => {
    const { code } = await run('git', ['rev-parse', '--quiet', '--verify', `refs/tags/v${version}`], ROOT, process.env)
    if (code === 0) throw new Error(`v${version} exists`)
  })
  await step('Build', () => npm(ROOT, 'run', 'build'))
  await step('Lint', () => npm(ROOT, 'run', 'lint'))
  await step('The package is right', () => npm(ROOT, 'run', 'check:package'))
  await step('It can be installed and used', () => npm(ROOT, 'run', 'check:install'))
  await step('The crate builds from its package', () => npm(ROOT, 'run', 'check:crate'))
  await checkSemver()
  await publish(folder, notes)
}

async function checkSemver(): Promise<void> {
  let release: string | undefined
  await step('Which release the crate is compared with', async () => void (release = newestRelease(ROOT)))
  if (release === undefined) return console.log('NOT CHECKED: the changes of the crate, without a release before this')
  // It may have to build its tool first.
  const check = (): Promise<unknown> =>
    succeed(process.execPath, [NPM, 'run', 'check:semver'], ROOT, process.env, 30 * 60_000)
  await step(`The version says what has changed in the crate since ${release}`, check)
}

async function publish(folder: string, notes: string): Promise<void> {
  const [facade, ...platforms] = await stage(folder)
  const folders = readdirSync(join(folder, 'npm')).map((name) => join(folder, 'npm', name))
  await inTurn([...folders, folder], (path) =>
    step(`npm publish --dry-run, ${path === folder ? 'the main package' : path.slice(folder.length + 1)}`, () =>
      npm(path, 'publish', '--dry-run', '--ignore-scripts', '--access', 'public', '--offline'),
    ),
  )
  console.log('\nThis would be published:')
  for (const { manifest, tarball, standIn } of [...platforms, facade!]) {
    const size = standIn ? 'not built on this machine; the release job does' : kilobytes(tarball.length)
    console.log(`  npm: ${manifest.name} ${manifest.version}, ${size}`)
  }
  console.log(`  crates.io: cmalloc ${facade!.manifest.version}`)
  if (notes !== '') console.log(`  GitHub: a release v${facade!.manifest.version}, with these notes:\n\n${notes}`)
}

const folder = mkdtempSync(join(tmpdir(), 'cmalloc-release-'))
main(join(folder, 'stage'))
  .catch((error: unknown) => against.push(String(error)))
  .finally(() => {
    rmSync(folder, { recursive: true, force: true })
    if (against.length === 0) return console.log('\nNothing stands against it. Nothing was uploaded.')
    console.log(`\nNOT READY:\n- ${against.join('\n- ')}\nNothing was uploaded.`)
    process.exitCode = 1
  })
