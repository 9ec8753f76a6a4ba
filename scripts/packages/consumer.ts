/** The programs of somebody who has installed cmalloc. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeBlocks, readDocument } from '../../__test__/support/readme.js'
import { ROOT } from './stage.js'

/** Every entry of the package, and something that it exports. */
const ENTRIES = {
  cmalloc: 'malloc',
  'cmalloc/arena': 'Arena',
  'cmalloc/pool': 'Pool',
  'cmalloc/mem-manager': 'MemManager',
  'cmalloc/conformance': 'conformance',
  'cmalloc/native': 'Slot',
}

const entries = Object.entries(ENTRIES)

/** @throws if the package has entries that no program here uses, or the other way round */
export function checkEntries(exported: Record<string, unknown>): void {
  const names = Object.keys(exported)
    .filter((path) => path !== './package.json')
    .map((path) => path.replace(/^\./, 'cmalloc'))
  const used = Object.keys(ENTRIES)
  if (names.sort().join() !== used.sort().join()) {
    throw new Error(`The package exports ${names.join(' ')}, and what is used here is ${used.join(' ')}`)
  }
}

const COMMONJS = `
const assert = require('node:assert')
${entries.map(([entry, name]) => `assert.equal(typeof require('${entry}').${name}, 'function', '${entry}')`).join('\n')}
const block = require('cmalloc').malloc(5000, 1, 'ab')
assert.equal(block.residentBytes(), 5000)
assert.equal(block.bytes[4999], 98)
block.free()
`

const ESM = `
import assert from 'node:assert'
import { createRequire } from 'node:module'
${entries.map(([entry, name], index) => `import { ${name} as export${index} } from '${entry}'`).join('\n')}
const require = createRequire(import.meta.url)
${entries.map(([entry, name], index) => `assert.equal(export${index}, require('${entry}').${name}, '${entry}')`).join('\n')}
`

const TYPES = `
${entries.map(([entry], index) => `import * as entry${index} from '${entry}'`).join('\n')}
export const all = [${entries.map((_, index) => `entry${index}`).join(', ')}]
export const address: bigint = entry0.malloc(8).address
export const region: entry1.Region = new entry1.Arena().malloc(1, 8, 'zero')
// @ts-expect-error -- a count is a number
entry0.malloc('1')
`

const MODULES = {
  node16: { module: 'node16', moduleResolution: 'node16' },
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
} as const

export const RESOLUTIONS = Object.keys(MODULES) as (keyof typeof MODULES)[]

/** Writes the programs to a folder where cmalloc is installed. */
export function writePrograms(folder: string): void {
  writeFileSync(join(folder, 'commonjs.cjs'), COMMONJS)
  writeFileSync(join(folder, 'esm.mjs'), ESM)
  writeFileSync(join(folder, 'types.ts'), TYPES)
  writeFileSync(join(folder, 'types.mts'), TYPES)
  const sample = codeBlocks(readDocument('docs/reference/malloc.md'), 'js')[0]!.source
  writeFileSync(join(folder, 'sample.mjs'), sample)
  writeFileSync(join(folder, 'sample.mts'), sample)
  for (const resolution of RESOLUTIONS) {
    write(folder, `types-${resolution}`, { ...MODULES[resolution], noEmit: true, types: [] }, ['types.ts', 'types.mts'])
  }
  // The sample imports from Node. Its types are of no concern to cmalloc, so that they are lent.
  const node = { types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] }
  write(folder, 'sample', { ...MODULES.node16, ...node, outDir: 'compiled', esModuleInterop: true }, ['sample.mts'])
}

function write(folder: string, name: string, options: object, files: string[]): void {
  const compilerOptions = { target: 'es2022', strict: true, skipLibCheck: false, rootDir: '.', ...options }
  writeFileSync(join(folder, `${name}.json`), JSON.stringify({ compilerOptions, files }))
}
