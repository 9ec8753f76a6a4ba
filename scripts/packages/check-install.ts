/**
 * `npm run check:install`: packs the main package and those of the platforms as the release does, installs them into
 * empty folders with every package manager, and uses them there. There is no compiler, and no network but a registry
 * on this machine that has nothing else.
 */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { platform } from '../../lib/runtime/platform.js'
import { checkEntries, RESOLUTIONS, writePrograms } from './consumer.js'
import { MANAGERS, type Manager } from './managers.js'
import { serve, type Registry } from './registry.js'
import { inTurn, run, succeed } from './run.js'
import { ROOT, stage, type Package } from './stage.js'
import { checkContents, checkFetched } from './contents.js'
import { printPackages, printTable } from './report.js'

const HERE = `cmalloc-${platform().name}`
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')

async function main(folder: string): Promise<void> {
  const packages = await stage(join(folder, 'stage'))
  checkContents(packages, HERE)
  checkEntries(packages[0]!.manifest.exports ?? {})
  printPackages(packages)
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  symlinkSync(process.execPath, join(bin, 'node'))
  const rows = await inTurn(MANAGERS, (manager) => check(manager, packages, folder, bin))
  printTable(['installed with', 'seconds', 'fetched', 'require', 'import', 'sample', 'types'], rows)
}

async function check(manager: Manager, packages: Package[], folder: string, bin: string): Promise<string[]> {
  const project = mkdtempSync(join(folder, 'project-'))
  const env = environment(project, bin)
  const registry = await serve(packages)
  try {
    const seconds = await install(manager, registry, project, env)
    checkFetched(manager, registry, HERE)
    writePrograms(project)
    const node = (program: string): Promise<unknown> =>
      succeed(process.execPath, manager.runsPrograms ? [manager.program, 'node', program] : [program], project, env)
    await node('commonjs.cjs')
    await node('esm.mjs')
    await node('sample.mjs')
    let types = 'not known to tsc'
    if (!manager.runsPrograms) {
      await inTurn(RESOLUTIONS, (resolution) => compile(`types-${resolution}.json`, project))
      await compile('sample.json', project)
      await node('compiled/sample.mjs')
      types = RESOLUTIONS.join(' ')
    }
    if (manager.name === 'npm') await omitOptional(manager, registry, folder, bin)
    const fetched = manager.fetchesAll ? 'all' : [...registry.fetched].sort().join(' ')
    return [manager.name, seconds, fetched, 'ok', 'ok', 'ok', types]
  } finally {
    registry.close()
  }
}

async function install(
  { program, add, configuration }: Manager,
  { url }: Registry,
  project: string,
  env: NodeJS.ProcessEnv,
  ...options: string[]
): Promise<string> {
  const files = { 'package.json': '{ "name": "consumer", "private": true }', ...configuration(url) }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text)
  const { milliseconds } = await succeed(process.execPath, [program, ...add, ...options, 'cmalloc'], project, env)
  return (milliseconds / 1000).toFixed(1)
}

/** Without optional dependencies there is no addon, and cmalloc says so. */
async function omitOptional(manager: Manager, registry: Registry, folder: string, bin: string): Promise<void> {
  const project = mkdtempSync(join(folder, 'project-'))
  const env = environment(project, bin)
  await install(manager, registry, project, env, '--omit=optional')
  const { code, output } = await run(process.execPath, ['--eval', "require('cmalloc')"], project, env)
  if (code === 0 || !output.includes('ERR_CMALLOC_NO_BINDING') || !output.includes(HERE)) {
    throw new Error(`Without its optional dependencies cmalloc must say what is missing:\n${output}`)
  }
}

/** Nothing of this machine's: neither programs but node, nor caches, nor settings. */
function environment(project: string, bin: string): NodeJS.ProcessEnv {
  const home = join(project, '.home')
  mkdirSync(home)
  return { PATH: bin, HOME: home, TMPDIR: tmpdir(), CI: '1', COREPACK_ENABLE_STRICT: '0' }
}

async function compile(config: string, project: string): Promise<void> {
  await succeed(process.execPath, [TSC, '-p', config], project)
}

const folder = mkdtempSync(join(tmpdir(), 'cmalloc-install-'))
main(folder)
  .catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  })
  .finally(() => rmSync(folder, { recursive: true, force: true }))
