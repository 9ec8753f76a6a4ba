/** Where tools are installed, and cmalloc beside them from its tarballs. */

import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { serve } from '../packages/registry.js'
import { succeed } from '../packages/run.js'
import { NPM, ROOT, stage } from '../packages/stage.js'
import { platform } from '../../lib/runtime/platform.js'
import type { Project } from './kit.js'

/** Where everything is. It stays, so that tools are installed once. */
export const TARGET = join(process.env['CARGO_TARGET_DIR'] ?? join(ROOT, 'target'), 'tools')

export const HERE = `cmalloc-${platform().name}`
const INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']

export const projectFolder = ({ name }: Project): string => join(TARGET, name)

/** Packs cmalloc, and installs it into an empty folder with npm, unless it is as it was. Returns its `node_modules`. */
export async function installCmalloc(): Promise<string> {
  const installed = join(TARGET, 'cmalloc')
  const mark = join(installed, '.made-of')
  const sources = digestOfSources()
  if (existsSync(mark) && readFileSync(mark, 'utf8') === sources) return installed
  mkdirSync(TARGET, { recursive: true })
  const folder = mkdtempSync(join(TARGET, 'cmalloc-'))
  const packages = await stage(join(folder, 'stage'), (name) => name === HERE)
  if (packages[1]?.standIn !== false) throw new Error(`There is no addon for ${HERE}. Build it first: npm run build`)
  const registry = await serve(packages)
  const consumer = join(folder, 'consumer')
  mkdirSync(consumer)
  writeFileSync(join(consumer, 'package.json'), '{ "name": "consumer", "private": true }')
  try {
    const cache = join(folder, 'cache')
    const options = [`--registry=${registry.url}/`, `--cache=${cache}`]
    await succeed(process.execPath, [NPM, ...INSTALL, ...options, 'cmalloc'], consumer)
  } finally {
    registry.close()
  }
  rmSync(installed, { recursive: true, force: true })
  cpSync(join(consumer, 'node_modules'), installed, { recursive: true })
  writeFileSync(mark, sources)
  rmSync(folder, { recursive: true })
  return installed
}

/** Of all that the packages are made of. */
function digestOfSources(): string {
  const hash = createHash('sha256')
  const dist = readdirSync(join(ROOT, 'dist'), { recursive: true, encoding: 'utf8' })
  const addon = `${HERE.replace('-', '.')}.node`
  const others = ['index.js', 'index.d.ts', 'package.json', addon, join('artifacts', addon)]
  const files = [...dist.map((path) => join('dist', path)), ...others]
  for (const path of files.sort()) {
    const file = statSync(join(ROOT, path), { throwIfNoEntry: false })?.isFile()
    if (file === true) hash.update(`${path}\n`).update(readFileSync(join(ROOT, path)))
  }
  return hash.digest('hex')
}

/** Installs the tools of a project, if they are not there, and the cmalloc of this run. */
export async function prepare(project: Project, cmalloc: string): Promise<void> {
  const folder = projectFolder(project)
  const manifest = join(folder, 'package.json')
  const done = join(folder, '.installed')
  const { name, dependencies } = project
  const wanted = JSON.stringify({ name: `tools-${name}`, private: true, dependencies }, undefined, 2)
  if (!existsSync(done) || readFileSync(done, 'utf8') !== wanted) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    writeFileSync(manifest, wanted)
    if (Object.keys(dependencies).length > 0) await succeed(process.execPath, [NPM, ...INSTALL], folder)
    writeFileSync(done, wanted)
  }
  addCmalloc(cmalloc, folder)
}

/** Copies what was installed: cmalloc, and its addon's package. */
export function addCmalloc(cmalloc: string, folder: string): void {
  for (const name of ['cmalloc', HERE]) {
    const to = join(folder, 'node_modules', name)
    rmSync(to, { recursive: true, force: true })
    cpSync(join(cmalloc, name), to, { recursive: true })
  }
}
