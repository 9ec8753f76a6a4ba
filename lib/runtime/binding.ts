/** Loads the addon. If that fails, the error says what to do. */

import { noBinding } from './errors.js'
import { process } from './process.js'
import { platform, SUPPORTED } from './platform.js'

type Binding = typeof import('../../index.js')

const REPOSITORY = 'https://github.com/cmalloc/cmalloc'
const OVERRIDE = 'NAPI_RS_NATIVE_LIBRARY_PATH'

/** @throws `ERR_CMALLOC_NO_BINDING`, with the error of the generated loader as its cause */
export function loadBinding(): Binding {
  const hasProcess = 'process' in globalThis
  // The generated loader asks for the global, which a context may lack.
  if (!hasProcess) globalThis.process = process
  try {
    // An import could not be caught.
    return require('../../index.js') as Binding
  } catch (error) {
    throw noBinding(explain(), error)
  } finally {
    if (!hasProcess) Reflect.deleteProperty(globalThis, 'process')
  }
}

function explain(): string {
  const { name, os, cpu, libc } = platform()
  const here = `os ${os}, cpu ${cpu}${libc === undefined ? '' : `, libc ${libc}`}`
  const override = process.env[OVERRIDE]
  if (override) return `for ${here}: ${OVERRIDE} is set, and ${override} cannot be loaded. Unset it, or name an addon`
  const build = `build it from source, ${REPOSITORY}#install, and set ${OVERRIDE} to the path of the addon`
  if (!SUPPORTED.includes(name)) {
    return `for ${here}: there is no package for this platform. There are packages for ${SUPPORTED.join(', ')}. To use cmalloc here, ${build}`
  }
  return (
    `for ${here}: the package cmalloc-${name} is not installed, or cannot be loaded. It is an optional dependency, ` +
    'which is left out with --omit=optional, and where node_modules was copied from another platform. ' +
    `Install again, with npm install --include=optional; or ${build}. Packages exist for ${SUPPORTED.join(', ')}`
  )
}
