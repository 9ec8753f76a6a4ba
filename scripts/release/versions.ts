/** Where the version stands. */

import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const ROOT = resolve(__dirname, '../..')

/** The version, as each file has it. */
export function versions(root: string): Record<string, string | undefined> {
  const text = (path: string): string => readFileSync(join(root, path), 'utf8')
  const json = (path: string): string | undefined => (JSON.parse(text(path)) as { version?: string }).version
  const found: Record<string, string | undefined> = {
    'package.json': json('package.json'),
    'package-lock.json': json('package-lock.json'),
    'Cargo.toml': /^\[package\][^[]*?^version = "([^"]+)"/ms.exec(text('Cargo.toml'))?.[1],
    'Cargo.lock': /^name = "cmalloc"\nversion = "([^"]+)"/m.exec(text('Cargo.lock'))?.[1],
    'index.js': /bindingPackageVersion !== '([^']+)'/.exec(text('index.js'))?.[1],
  }
  for (const platform of readdirSync(join(root, 'npm'))) {
    found[`npm/${platform}/package.json`] = json(`npm/${platform}/package.json`)
  }
  return found
}

/** What is wrong with them: nothing if they are equal. */
export function differences(found: Record<string, string | undefined>): string[] {
  const wanted = found['package.json']
  return Object.entries(found)
    .filter(([, version]) => version !== wanted)
    .map(([path, version]) => `${path} has the version ${version}, and package.json ${wanted}`)
}
