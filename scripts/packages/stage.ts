/** The packages as the release job makes them, in a folder of their own. The tree is left alone. */

import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import { inTurn, succeed } from './run.js'

export const ROOT = resolve(__dirname, '../..')

export interface Manifest {
  name: string
  version: string
  scripts?: Record<string, string>
  optionalDependencies?: Record<string, string>
  files: string[]
  exports?: Record<string, unknown>
}

export interface Package {
  manifest: Manifest
  tarball: Buffer
  /** What is in it, by path, with its length. */
  files: { path: string; size: number }[]
  unpackedSize: number
  /** Whether its addon is a stand-in, as it was not built on this machine. */
  standIn: boolean
}

/** How npm was started, so that the same one is used here. */
export const NPM =
  process.env['npm_execpath'] ?? join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js')
const NAPI = join(ROOT, 'node_modules/@napi-rs/cli/dist/cli.js')

/** Copies to `folder` what the main package is made of, and the addons that are here. */
function copy(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'artifacts'), { recursive: true })
  for (const name of ['package.json', 'README.md', 'LICENSE', 'index.js', 'index.d.ts']) {
    copyFileSync(join(ROOT, name), join(folder, name))
  }
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true })
  for (const source of [ROOT, join(ROOT, 'artifacts')].filter((path) => existsSync(path))) {
    for (const name of readdirSync(source).filter((entry) => entry.endsWith('.node'))) {
      copyFileSync(join(source, name), join(folder, 'artifacts', name))
    }
  }
}

/** A file for each addon that was not built, as the release needs one for every platform. Returns their names. */
function standIn(folder: string): Set<string> {
  const missing = new Set<string>()
  for (const platform of readdirSync(join(folder, 'npm'))) {
    const path = join(folder, 'artifacts', `cmalloc.${platform}.node`)
    if (existsSync(path)) continue
    writeFileSync(path, 'This addon was not built')
    missing.add(`cmalloc-${platform}`)
  }
  return missing
}

/** Makes and packs the packages in `folder`: the main one first, and of those of the platforms the wanted ones. */
export async function stage(folder: string, isWanted: (name: string) => boolean = () => true): Promise<Package[]> {
  copy(folder)
  const napi = (...args: string[]): Promise<unknown> => succeed(process.execPath, [NAPI, ...args], folder)
  await napi('create-npm-dirs')
  const standIns = standIn(folder)
  await napi('artifacts', '--output-dir', 'artifacts')
  await napi('prepublish', '-t', 'npm', '--no-gh-release', '--skip-optional-publish')
  removeAddons(folder)
  const wanted = readdirSync(join(folder, 'npm')).filter((platform) => isWanted(`cmalloc-${platform}`))
  const platforms = await inTurn(wanted, (platform) =>
    pack(join(folder, 'npm', platform), standIns.has(`cmalloc-${platform}`)),
  )
  return [await pack(folder, false), ...platforms]
}

/** `napi artifacts` leaves every addon beside the main package too, which would publish it. */
function removeAddons(folder: string): void {
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.node'))) rmSync(join(folder, name))
}

async function pack(folder: string, standsIn: boolean): Promise<Package> {
  const { output } = await succeed(process.execPath, [NPM, 'pack', '--ignore-scripts', '--json', '--silent'], folder)
  // One of npm's versions gives a list, another an object by names.
  const parsed = Object.values(JSON.parse(output)) as [
    { filename: string; unpackedSize: number; files: { path: string; size: number }[] },
  ]
  const [{ filename, unpackedSize, files }] = parsed
  return {
    manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest,
    tarball: readFileSync(join(folder, filename)),
    files,
    unpackedSize,
    standIn: standsIn,
  }
}

export const digest = (bytes: Buffer, algorithm: 'sha1' | 'sha512'): string =>
  createHash(algorithm)
    .update(bytes)
    .digest(algorithm === 'sha1' ? 'hex' : 'base64')
