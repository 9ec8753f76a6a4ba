/** What the system does with huge pages (Linux). */

import { readFileSync } from 'node:fs'
import { release } from 'node:os'

const SETTINGS = '/sys/kernel/mm/transparent_hugepage'

/** The size of a huge page in bytes; `undefined` if the system gives none. */
export function hugePageSize(): number | undefined {
  try {
    if (readFileSync(`${SETTINGS}/enabled`, 'utf8').includes('[never]')) return undefined
    return Number(readFileSync(`${SETTINGS}/hpage_pmd_size`, 'utf8'))
  } catch {
    return undefined
  }
}

/** Whether a mapping that is as long as some huge pages begins on the boundary of one, as since Linux 6.7. */
export function mapsOnHugePages(): boolean {
  const [major, minor] = release().split('.').map(Number)
  return major! > 6 || (major === 6 && minor! >= 7)
}
