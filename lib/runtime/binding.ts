/** Loads the addon. If that fails, the error says why, and what to do. */

import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { requireAddon } from './addons.js'
import { noBinding } from './errors.js'
import { platform, SUPPORTED } from './platform.js'
import { process } from './process.js'

type Binding = typeof import('../../index.js')

const REPOSITORY = 'https://github.com/cmalloc/cmalloc'
const OVERRIDE = 'NAPI_RS_NATIVE_LIBRARY_PATH'
const BUILD = `build it from source, ${REPOSITORY}#install, and set ${OVERRIDE} to the path of the addon`
const INSTALL = 'Remove node_modules, and install again'
const UNSET = 'Unset it, or name an addon of this version'
const GUIDE = `How to bundle cmalloc: ${REPOSITORY}/blob/main/docs/bundling.md`

/** What to do, by what the error says. */
const ADVICE: readonly [said: RegExp, advice: string][] = [
  [/addons is disabled/, 'Run node without --no-addons. Under --permission, give it --allow-addons'],
  [/--allow-/, 'Give the program that permission'],
  [/map segment|not permitted/, 'Put it on a file system that is not mounted noexec'],
  [
    /libc\.|ld-linux|ld-musl|GLIBC_/,
    'It needs another C library. Remove node_modules, and install again on this system',
  ],
  [
    /Dynamic require|Cannot require|require is not defined|built-in module/,
    `There is no require for it in this bundle or executable. ${GUIDE}`,
  ],
]

/** @throws `ERR_CMALLOC_NO_BINDING`, with the error of the runtime's own loader as its cause */
export function loadBinding(): Binding {
  const { name, os, cpu, libc } = platform()
  const here = `for os ${os}, cpu ${cpu}${libc === undefined ? '' : `, libc ${libc}`}`
  const path = process.env[OVERRIDE]
  const failed = (error: unknown): Error =>
    noBinding(`${here}: ${path ? badPath(path, error) : bad(name, error)}`, error)
  const addon = path ? requireFile(path, failed) : requireAddon(name, failed)
  if (typeof (addon as Partial<Binding> | undefined)?.takeRawCalls === 'function') return addon as Binding
  if (path)
    throw noBinding(
      `${here}: ${OVERRIDE} is set, and ${path} is the addon of another version, or something else. ${UNSET}`,
    )
  throw noBinding(`${here}: ${addon === undefined ? NO_PACKAGE : replaced(addon)}`)
}

/** By a `require` of its own: that of a bundle or of a single executable may know no files. */
function requireFile(path: string, failed: (error: unknown) => Error): unknown {
  try {
    return createRequire(process.execPath)(resolve(path))
  } catch (error) {
    throw failed(error)
  }
}

const NO_PACKAGE =
  `there is no package for this platform. There are packages for ${SUPPORTED.join(', ')}. ` +
  `To use cmalloc here, ${BUILD}`

function badPath(path: string, error: unknown): string {
  return `${OVERRIDE} is set, and ${path} cannot be loaded: ${withAdvice(error, UNSET)}`
}

function bad(name: string, error: unknown): string {
  // Of a package without its file the path is said.
  if (!said(error).startsWith(`Cannot find module 'cmalloc-${name}'`)) {
    return `its addon cannot be loaded: ${withAdvice(error, INSTALL)}`
  }
  return (
    `the package cmalloc-${name} is not installed. It is an optional dependency, which is left out with --omit=optional, ` +
    'where node_modules was copied from another platform, and by bundlers. Install again, with npm install ' +
    `--include=optional; or ${BUILD}. ${GUIDE}`
  )
}

function withAdvice(error: unknown, otherwise: string): string {
  const what = said(error)
  return `${what}. ${ADVICE.find(([words]) => words.test(what))?.[1] ?? otherwise}`
}

/** The first line: others say who has required it. */
const said = (error: unknown): string =>
  String((error as Error | undefined)?.message ?? error)
    .split('\n', 1)[0]!
    .replace(/\.$/, '')

/** What is not this version's addon, and no error either. */
function replaced(addon: unknown): string {
  if (typeof addon === 'string') {
    return `a bundler gave the text ${addon} in place of its addon. With esbuild use --loader:.node=copy. ${GUIDE}`
  }
  return `its addon is of another version, or a bundler gave something else. ${INSTALL}. ${GUIDE}`
}
