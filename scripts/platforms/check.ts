/** Whether a binary is what its target says, before anybody runs it. */

import { readFileSync } from 'node:fs'
import { readBinary } from './binary.js'
import type { Target } from './targets.js'

/** More than this, and something came in that should not have: symbols, or a second copy of a crate. */
const MAX_SIZE = 1.25 * 2 ** 20

/** Of versions, such as 2.2.5 and 2.17: by their numbers. */
const { compare } = new Intl.Collator('en', { numeric: true })

export interface Checked {
  size: number
  libraries: string[]
  /** The newest glibc that it asks for. */
  glibc: string | undefined
  /** What is wrong with it. */
  wrong: string[]
}

export function check(path: string, target: Target): Checked {
  const file = readFileSync(path)
  const { format, arch, libraries, versions } = readBinary(path)
  const glibc = newest(versions.flatMap((version) => /^GLIBC_([\d.]+)$/.exec(version)?.[1] ?? []))
  const unexpected = libraries.filter((library) => !target.libraries.some((allowed) => allowed.test(library)))
  const wrong = [
    [format !== target.format, `it is ${format}, not ${target.format}`],
    [arch !== target.arch, `it is for ${arch}, not for ${target.arch}`],
    [libraries.length === 0, 'it needs no library, so it brought a C library of its own'],
    [unexpected.length > 0, `it needs ${unexpected.join(' and ')}`],
    [tooNew(glibc, target.glibc), `it needs glibc ${glibc}, more than ${target.glibc ?? 'none'}`],
    [!file.includes('napi_register_module_v1'), 'it is no addon of Node-API'],
    [file.length > MAX_SIZE, `it has ${file.length} bytes, more than ${MAX_SIZE}`],
  ] as const
  return { size: file.length, libraries, glibc, wrong: wrong.flatMap(([is, what]) => (is ? [what] : [])) }
}

function tooNew(glibc: string | undefined, ceiling: string | undefined): boolean {
  if (glibc === undefined) return false
  return ceiling === undefined || compare(glibc, ceiling) > 0
}

function newest(versions: string[]): string | undefined {
  return [...versions].sort(compare).at(-1)
}
