/** The programs of documents as TypeScript. */

import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ROOT, runFixture } from './run.js'

/**
 * Leaves a program beside each of these files, and says what is wrong with them. Their folder is two below the root. As
 * they are JavaScript too, no parameter has a type. All else is strict.
 */
export async function compile(folder: string, files: string[]): Promise<{ code: number | null; stdout: string }> {
  const lenient = { noImplicitAny: false, noUncheckedIndexedAccess: false }
  const compilerOptions = { noEmit: false, rootDir: '.', outDir: '.', ...lenient }
  const path = join(folder, 'tsconfig.json')
  writeFileSync(path, JSON.stringify({ extends: '../../tsconfig.test.json', compilerOptions, files, include: [] }))
  const { code, stdout } = await runFixture(resolve(ROOT, 'node_modules/typescript/bin/tsc'), ['-p', path])
  return { code, stdout }
}
