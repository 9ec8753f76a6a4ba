/**
 * The addon of a platform: the file of a build from source, or else the package. Bundlers see what is required literally,
 * and do without what is not installed if it is in a `try`. Throws what `failed` makes of the first error that tells
 * something.
 */
export function requireAddon(name: string, failed: (error: unknown) => Error): unknown {
  let reason: unknown
  try {
    if (name === 'darwin-arm64') return require('../../cmalloc.darwin-arm64.node')
    if (name === 'darwin-x64') return require('../../cmalloc.darwin-x64.node')
    if (name === 'freebsd-x64') return require('../../cmalloc.freebsd-x64.node')
    if (name === 'linux-arm64-gnu') return require('../../cmalloc.linux-arm64-gnu.node')
    if (name === 'linux-arm64-musl') return require('../../cmalloc.linux-arm64-musl.node')
    if (name === 'linux-x64-gnu') return require('../../cmalloc.linux-x64-gnu.node')
    if (name === 'linux-x64-musl') return require('../../cmalloc.linux-x64-musl.node')
    if (name === 'win32-arm64-msvc') return require('../../cmalloc.win32-arm64-msvc.node')
    if (name === 'win32-x64-msvc') return require('../../cmalloc.win32-x64-msvc.node')
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'MODULE_NOT_FOUND') reason = error
  }
  try {
    if (name === 'darwin-arm64') return require('cmalloc-darwin-arm64')
    if (name === 'darwin-x64') return require('cmalloc-darwin-x64')
    if (name === 'freebsd-x64') return require('cmalloc-freebsd-x64')
    if (name === 'linux-arm64-gnu') return require('cmalloc-linux-arm64-gnu')
    if (name === 'linux-arm64-musl') return require('cmalloc-linux-arm64-musl')
    if (name === 'linux-x64-gnu') return require('cmalloc-linux-x64-gnu')
    if (name === 'linux-x64-musl') return require('cmalloc-linux-x64-musl')
    if (name === 'win32-arm64-msvc') return require('cmalloc-win32-arm64-msvc')
    if (name === 'win32-x64-msvc') return require('cmalloc-win32-x64-msvc')
  } catch (error) {
    throw failed(reason ?? error)
  }
  return undefined
}
