/** What must hold of the packages before they are installed, and of what an installation has fetched. */

import type { Manager } from './managers.js'
import type { Registry } from './registry.js'
import type { Package } from './stage.js'

const EXPECTED = /^(package\.json|README\.md|LICENSE|index\.js|index\.d\.ts|dist\/[\w/-]+\.(js|d\.ts))$/
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall']

/** @throws if a package has what it must not have, or has not what it must */
export function checkContents([main, ...platforms]: Package[], here: string): void {
  if (main === undefined) throw new Error('There is no main package')
  for (const { path } of main.files) {
    if (!EXPECTED.test(path)) throw new Error(`The main package must not have ${path}`)
  }
  const names = platforms.map(({ manifest }) => manifest.name)
  const optional = Object.keys(main.manifest.optionalDependencies ?? {})
  if (optional.sort().join() !== names.sort().join()) {
    throw new Error(`The optional dependencies are ${optional.join(' ')}, and the packages ${names.join(' ')}`)
  }
  for (const { manifest, files } of platforms) {
    const addon = manifest.name.replace('cmalloc-', 'cmalloc.')
    const paths = files.map(({ path }) => path).sort()
    const expected = ['README.md', `${addon}.node`, 'package.json'].sort()
    if (paths.join() !== expected.join()) throw new Error(`${manifest.name} has ${paths.join(' ')}`)
  }
  for (const { manifest } of [main, ...platforms]) {
    const scripts = INSTALL_SCRIPTS.filter((name) => manifest.scripts?.[name] !== undefined)
    if (scripts.length > 0) throw new Error(`${manifest.name} runs ${scripts.join(' and ')} where it is installed`)
    if (manifest.version !== main.manifest.version) throw new Error(`${manifest.name} is ${manifest.version}`)
  }
  if (platforms.every(({ manifest, standIn }) => manifest.name !== here || standIn)) {
    throw new Error(`There is no addon for ${here}. Build it first: npm run build`)
  }
}

/** @throws if an installation has fetched what this machine has no use for, or asked for what there is not */
export function checkFetched({ name, fetchesAll }: Manager, { fetched, unknown }: Registry, here: string): void {
  const wrong = fetchesAll ? [] : [...fetched].filter((one) => one !== 'cmalloc' && one !== here)
  if (wrong.length > 0) throw new Error(`${name} fetched ${wrong.join(' ')}`)
  // Package managers ask for news of themselves.
  const foreign = [...unknown].filter((one) => !['npm', 'pnpm', 'yarn', '@yarnpkg', '-', ''].includes(one))
  if (foreign.length > 0) throw new Error(`${name} asked for ${foreign.join(' ')}`)
}
