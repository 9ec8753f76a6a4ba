import * as given from 'node:process'

/**
 * The process itself. A context may have no global of that name, and Jest gives its tests a copy, on which nobody hears of
 * the exit.
 */
export const process: NodeJS.Process = given.getBuiltinModule('node:process')
