import * as given from 'node:process'
import { runInThisContext } from 'node:vm'

/**
 * The process itself. A context may have no global of that name, and Jest gives its tests a copy, as a module too, on which
 * nobody hears of the exit. "This context" is that of the thread, from wherever it is asked.
 */
export const process: NodeJS.Process = (runInThisContext('globalThis.process') as NodeJS.Process | undefined) ?? given
