import { dirname } from 'node:path'
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import { process } from './process.js'

/** A worker gets what its parent has under these names. */
const FIRST = 'cmalloc: the first copy'
const WARNED = 'cmalloc: warned of copies'

/** Warns, once in a process, if another copy of the addon is loaded in it. `library` is the number of this one. */
export function warnOfCopies(library: number): void {
  const first = getEnvironmentData(FIRST) as unknown as string | undefined
  // A bundle of ES modules has none.
  const here = typeof __dirname === 'string' ? dirname(__dirname) : 'a bundle'
  if (first === undefined) return setEnvironmentData(FIRST, `${library} ${here}`)
  const [number, ...path] = first.split(' ')
  if (number === String(library) || getEnvironmentData(WARNED) !== undefined) return
  setEnvironmentData(WARNED, true)
  process.emitWarning(`Two copies of cmalloc are loaded in this process, from ${path.join(' ')} and from ${here}`, {
    code: 'CMALLOC_LOADED_TWICE',
    detail:
      'Each has its own limits, statistics, tickets and knowledge of who owns which block. `npm ls cmalloc` shows who ' +
      'depends on which version, and `npm dedupe` may make them one.',
  })
}
