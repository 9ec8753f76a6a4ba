import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import { platform, SUPPORTED } from '../lib/runtime/platform.js'
import { linuxTest } from './support/memory.js'
import { notRun } from './support/not-run.js'
import { nameOf, OTHER_RUNTIMES, RUNTIMES, ROOT, runSource, type Options, type Runtime } from './support/run.js'

const temporary = mkdtempSync(join(tmpdir(), 'cmalloc-binding-'))
test.after.always(() => rmSync(temporary, { recursive: true }))

/** The package as it is published, with these files besides. Returns its folder. */
function packageWith(files: Record<string, string | Uint8Array> = {}): string {
  const folder = mkdtempSync(join(temporary, 'package-'))
  for (const name of ['package.json', 'index.js', 'index.d.ts']) copyFileSync(join(ROOT, name), join(folder, name))
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return folder
}

/** Without the package of any platform. */
const alone = packageWith()
/** With builds from source for all platforms, all of which are no addons. */
const damaged = packageWith(Object.fromEntries(SUPPORTED.map((name) => [fileOf(name), 'no addon'])))

function fileOf(name: string): string {
  return `cmalloc.${name}.node`
}

/** The package of this platform, with this addon. */
function installed(addon: string | Uint8Array, file = fileOf(HERE)): Record<string, string | Uint8Array> {
  const folder = `node_modules/cmalloc-${HERE}`
  return { [`${folder}/package.json`]: JSON.stringify({ main: file }), [`${folder}/${file}`]: addon }
}

const HERE = platform().name
/** Where the tests run with an addon from elsewhere, its path. */
const ADDON = process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] || join(ROOT, fileOf(HERE))

interface Failure {
  name: string
  code: string
  message: string
  cause?: { message: string; code?: string }
}

/** What a program gets that requires an entry of cmalloc in such a way. */
async function requireFrom(
  t: ExecutionContext,
  folder: string,
  { entry = 'dist/index.js', before = '', env, ...options }: Options & { entry?: string; before?: string } = {},
): Promise<Failure> {
  const source = `
    ${before}
    try {
      require(${JSON.stringify(join(folder, entry))})
      console.log(JSON.stringify({ code: 'loaded' }))
    } catch ({ name, code, message, cause }) {
      const { message: reason, code: kind } = cause ?? {}
      console.log(JSON.stringify({ name, code, message, cause: cause && { message: reason, code: kind } }))
    }`
  const { code, stdout, stderr } = await runSource(source, {
    ...options,
    env: { NAPI_RS_NATIVE_LIBRARY_PATH: '', ...env },
  })
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  return JSON.parse(stdout)
}

interface Pretended {
  os: string
  cpu: string
  libc?: 'glibc' | 'musl'
}

/** What a process gets that believes to be on such a system. */
function requireOn(
  t: ExecutionContext,
  { os, cpu, libc = 'glibc' }: Pretended,
  {
    folder = alone,
    ...options
  }: { folder?: string; entry?: string; node?: Runtime; env?: Record<string, string> } = {},
): Promise<Failure> {
  const before = `
    const fs = require('node:fs'), { readFileSync } = fs
    Object.defineProperty(process, 'platform', { value: '${os}' })
    Object.defineProperty(process, 'arch', { value: '${cpu}' })
    fs.readFileSync = (path, ...rest) => path === '/usr/bin/ldd' ? '${libc}' : readFileSync(path, ...rest)`
  return requireFrom(t, folder, { ...options, before })
}

for (const node of [...RUNTIMES, ...OTHER_RUNTIMES]) {
  test(`without the package of its platform cmalloc says how to get it, on ${nameOf(node)}`, async (t) => {
    const { name, code, message, cause } = await requireOn(t, { os: 'linux', cpu: 'arm64' }, { node })
    t.deepEqual([name, code], ['Error', 'ERR_CMALLOC_NO_BINDING'])
    t.regex(message, /os linux, cpu arm64, libc glibc: the package cmalloc-linux-arm64-gnu is not installed/)
    t.regex(message, /npm install --include=optional/)
    t.regex(message, /build it from source, https:.* set NAPI_RS_NATIVE_LIBRARY_PATH/)
    t.regex(message, /docs\/bundling\.md/)
    t.regex(cause!.message, /^Cannot find module 'cmalloc-linux-arm64-gnu'/, "the runtime's own error")
    t.is(cause!.code, 'MODULE_NOT_FOUND')
  })
}

for (const [header, libc] of [
  ["{ glibcVersionRuntime: '2.36' }", 'glibc'],
  ['{}', 'musl'],
] as const) {
  test(`without a file that tells of ${libc}, the report of the process does`, async (t) => {
    const before = `
      const fs = require('node:fs'), { readFileSync } = fs
      Object.defineProperty(process, 'platform', { value: 'linux' })
      Object.defineProperty(process, 'arch', { value: 'riscv64' })
      fs.readFileSync = (path, ...rest) => readFileSync(path === '/usr/bin/ldd' ? '/no/such/file' : path, ...rest)
      process.report.getReport = () => ({ header: process.report.excludeNetwork ? ${header} : undefined })`
    const { message } = await requireFrom(t, alone, { before })
    t.true(message.includes(`libc ${libc}: `), message)
  })
}

const looks: [Pretended, system: string, loaded: string][] = [
  [{ os: 'linux', cpu: 'x64', libc: 'musl' }, 'os linux, cpu x64, libc musl', 'cmalloc-linux-x64-musl'],
  [{ os: 'linux', cpu: 'arm64', libc: 'musl' }, 'os linux, cpu arm64, libc musl', 'cmalloc-linux-arm64-musl'],
  [{ os: 'linux', cpu: 'x64' }, 'os linux, cpu x64, libc glibc', 'cmalloc-linux-x64-gnu'],
  [{ os: 'darwin', cpu: 'x64' }, 'os darwin, cpu x64', 'cmalloc-darwin-x64'],
  [{ os: 'darwin', cpu: 'arm64' }, 'os darwin, cpu arm64', 'cmalloc-darwin-arm64'],
  [{ os: 'win32', cpu: 'x64' }, 'os win32, cpu x64', 'cmalloc-win32-x64-msvc'],
  [{ os: 'win32', cpu: 'arm64' }, 'os win32, cpu arm64', 'cmalloc-win32-arm64-msvc'],
  [{ os: 'freebsd', cpu: 'x64' }, 'os freebsd, cpu x64', 'cmalloc-freebsd-x64'],
]
for (const [system, described, loaded] of looks) {
  test(`on ${described} the error names ${loaded}, which the loader has looked for`, async (t) => {
    const { code, message, cause } = await requireOn(t, system)
    t.is(code, 'ERR_CMALLOC_NO_BINDING')
    t.true(message.includes(`for ${described}: the package ${loaded} is not installed`), message)
    t.true(cause!.message.startsWith(`Cannot find module '${loaded}'`), cause!.message)
    const built = await requireOn(t, system, { folder: damaged })
    t.true(built.cause!.message.includes(`${fileOf(loaded.replace('cmalloc-', ''))}`), built.cause!.message)
  })
}

for (const [system, described] of [
  [{ os: 'linux', cpu: 'riscv64' }, 'os linux, cpu riscv64, libc glibc'],
  [{ os: 'aix', cpu: 'ppc64' }, 'os aix, cpu ppc64'],
  [{ os: 'win32', cpu: 'ia32' }, 'os win32, cpu ia32'],
] as const) {
  test(`on ${described}, for which there is no package, the error says which there are`, async (t) => {
    const { code, message } = await requireOn(t, system)
    t.is(code, 'ERR_CMALLOC_NO_BINDING')
    t.true(message.includes(`for ${described}: there is no package for this platform`), message)
    t.true(
      message.includes(`There are packages for ${SUPPORTED.join(', ')}. To use cmalloc here, build it from source`),
    )
  })
}

for (const entry of ['arena', 'conformance', 'mem-manager', 'pool']) {
  test(`cmalloc/${entry} fails likewise`, async (t) => {
    const { code } = await requireOn(t, { os: 'aix', cpu: 'ppc64' }, { entry: `dist/${entry}.js` })
    t.is(code, 'ERR_CMALLOC_NO_BINDING')
  })
}

test('cmalloc/native is the generated loader, with its own error', async (t) => {
  const { code, message } = await requireOn(t, { os: 'aix', cpu: 'ppc64' }, { entry: 'index.js' })
  t.is(code, undefined as never)
  t.regex(message, /^Cannot find native binding/)
})

test('an addon that was built elsewhere is used, if NAPI_RS_NATIVE_LIBRARY_PATH names it', async (t) => {
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: ADDON }
  t.is((await requireOn(t, { os: 'linux', cpu: 'riscv64' }, { env })).code, 'loaded')
})

test('where cmalloc is among the program, as in a bundle, stacks of the debug mode have the program', async (t) => {
  const folder = packageWith(installed(readFileSync(ADDON)))
  const bundle = join(folder, 'bundle')
  renameSync(join(folder, 'dist'), bundle)
  const program = `
    const block = require('./index.js').malloc(8)
    const end = () => block.free()
    end()
    try { end() } catch ({ cause }) { console.log(cause.stack) }`
  writeFileSync(join(bundle, 'program.js'), program)
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: '', CMALLOC_DEBUG: '1' }
  const { stdout } = await runSource(`require(${JSON.stringify(join(bundle, 'program.js'))})`, { env })
  t.true(stdout.includes(join(bundle, 'program.js')), stdout)
})

/** As in a single executable. */
const BUILT_IN_ONLY = `
  const { isBuiltin, Module } = require('node:module')
  Module.prototype.require = ((real) => function (name) {
    if (isBuiltin(name) || /\\bdist\\b|^\\.\\/core/.test(name)) return real.call(this, name)
    throw Object.assign(new Error('No such built-in module: ' + name), { code: 'ERR_UNKNOWN_BUILTIN_MODULE' })
  })(Module.prototype.require)`

test('also where the program has a require for built-in modules only', async (t) => {
  // What createRequire makes goes through the same method: the path of the addon is let through there.
  const before = BUILT_IN_ONLY.replace('isBuiltin(name)', `this.filename === process.execPath || isBuiltin(name)`)
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: ADDON }
  t.is((await requireFrom(t, alone, { before, env })).code, 'loaded')
})

test('without that, the error there tells of the guide to bundling', async (t) => {
  const { code, message } = await requireFrom(t, alone, { before: BUILT_IN_ONLY })
  t.is(code, 'ERR_CMALLOC_NO_BINDING')
  t.regex(message, /No such built-in module.* There is no require for it in this .*executable.*docs\/bundling\.md/)
})

test('if NAPI_RS_NATIVE_LIBRARY_PATH names no addon, the error says so', async (t) => {
  const path = join(damaged, fileOf(HERE))
  const { code, message, cause } = await requireFrom(t, alone, { env: { NAPI_RS_NATIVE_LIBRARY_PATH: path } })
  t.is(code, 'ERR_CMALLOC_NO_BINDING')
  const [reason] = cause!.message.split('\n', 1)
  t.true(message.includes(`NAPI_RS_NATIVE_LIBRARY_PATH is set, and ${path} cannot be loaded: ${reason}. `), message)
  t.regex(message, /Unset it, or name an addon of this version$/)
  t.true(cause!.message.includes(fileOf(HERE)))
})

test('if it names something else, the error says so', async (t) => {
  const path = join(packageWith({ 'other.js': '' }), 'other.js')
  const { code, message } = await requireFrom(t, alone, { env: { NAPI_RS_NATIVE_LIBRARY_PATH: path } })
  t.is(code, 'ERR_CMALLOC_NO_BINDING')
  t.true(
    message.includes(
      `NAPI_RS_NATIVE_LIBRARY_PATH is set, and ${path} is the addon of another version, or something else. Unset it`,
    ),
    message,
  )
})

/** The error names the first reason, which is its direct cause, and what to do. */
function tellsReason(t: ExecutionContext, { code, message, cause }: Failure, reason: RegExp, advice: RegExp): void {
  t.is(code, 'ERR_CMALLOC_NO_BINDING')
  t.regex(cause!.message, reason)
  const [first] = cause!.message.split('\n', 1) as [string]
  const said = message.slice(message.indexOf('its addon cannot be loaded: '))
  t.true(said.startsWith(`its addon cannot be loaded: ${first.replace(/\.$/, '')}. `), message)
  t.regex(message, advice)
  t.notRegex(message, /not installed/)
}

for (const node of [...RUNTIMES, ...OTHER_RUNTIMES]) {
  test(`a file that is cut off or no addon is named, on ${nameOf(node)}`, async (t) => {
    const failures = [packageWith(installed('no addon')), damaged].map((folder) => requireFrom(t, folder, { node }))
    for (const failure of await Promise.all(failures)) {
      tellsReason(t, failure, new RegExp(`${HERE}\\.node|Win32`), /Remove node_modules, and install again$/)
    }
  })

  test(`a bundler's path in place of the addon is no TypeError, on ${nameOf(node)}`, async (t) => {
    const folder = packageWith(installed("module.exports = './addon-HASH.node'", 'path.js'))
    const { code, message } = await requireFrom(t, folder, { node })
    t.is(code, 'ERR_CMALLOC_NO_BINDING')
    t.regex(
      message,
      /a bundler gave the text \.\/addon-HASH\.node in place of its addon.*--loader:\.node=copy.*docs\/bundling\.md/,
    )
  })
}

test('an addon of another version is no TypeError', async (t) => {
  const { code, message } = await requireFrom(t, packageWith(installed('exports.Slot = class {}', 'other.js')))
  t.is(code, 'ERR_CMALLOC_NO_BINDING')
  t.regex(message, /its addon is of another version, or a bundler gave something else. Remove node_modules/)
})

for (const node of RUNTIMES.filter((runtime) => typeof runtime === 'number')) {
  for (const [title, addons] of [
    ['the package', () => installed(readFileSync(ADDON))],
    ['a build from source', () => ({ ...installed('no addon'), [fileOf(HERE)]: readFileSync(ADDON) })],
  ] as const) {
    test(`cmalloc/native has the same binding as cmalloc: the addon of ${title} is loaded once, on ${nameOf(node)}`, async (t) => {
      const folder = packageWith(addons())
      const before = `
      const { dlopen } = process
      let loads = 0
      process.dlopen = (...args) => { loads += 1; return dlopen.apply(process, args) }
      require(${JSON.stringify(join(folder, 'index.js'))})
      require(${JSON.stringify(join(folder, 'dist/index.js'))})
      if (loads !== 1) throw new Error('It was loaded ' + loads + ' times')`
      t.is((await requireFrom(t, folder, { node, before })).code, 'loaded')
    })
  }

  test(`a package without its addon is named by the path of the file, on ${nameOf(node)}`, async (t) => {
    const { [`node_modules/cmalloc-${HERE}/package.json`]: manifest } = installed('')
    const folder = packageWith({ [`node_modules/cmalloc-${HERE}/package.json`]: manifest! })
    tellsReason(t, await requireFrom(t, folder, { node }), /Cannot find module '.*cmalloc-.*\.node'/, /install again$/)
  })

  const permission = [node === 20 ? '--experimental-permission' : '--permission', '--allow-fs-read=*']
  for (const [title, flags] of [
    ['--no-addons', ['--no-addons']],
    ['--permission without --allow-addons', permission],
  ] as const) {
    test(`under ${title} the error says that, on ${nameOf(node)}`, async (t) => {
      const options = { node, flags: ['--no-warnings', ...flags] }
      const failures = [packageWith(installed('')), damaged].map((folder) => requireFrom(t, folder, options))
      for (const failure of await Promise.all(failures)) {
        tellsReason(t, failure, /addons is disabled/, /without --no-addons.*--allow-addons$/)
        t.is(failure.cause!.code, 'ERR_DLOPEN_DISABLED')
      }
    })
  }

  test(`an error that nobody catches fills a screen, not two, on ${nameOf(node)}`, async (t) => {
    const source = `require(${JSON.stringify(join(alone, 'dist/index.js'))})`
    const { code, stderr } = await runSource(source, {
      node,
      env: { NAPI_RS_NATIVE_LIBRARY_PATH: '' },
    })
    t.is(code, 1)
    t.regex(stderr, /ERR_CMALLOC_NO_BINDING[^]*\[cause\]: Error: Cannot find module/)
    t.true(stderr.split('\n').length <= 35, stderr)
  })
}

// musl takes every name that begins with libc. for its own.
const title = 'an addon for another C library is named'
if (platform().libc === 'glibc') {
  linuxTest(title, async (t) => {
    const addon = Buffer.from(readFileSync(ADDON).toString('latin1').replaceAll('libc.so.6', 'libc.mus6'), 'latin1')
    const failure = await requireFrom(t, packageWith(installed(addon)))
    tellsReason(
      t,
      failure,
      /libc\.mus6: cannot open shared object file/,
      /needs another C library. Remove node_modules/,
    )
  })
} else notRun(title, 'glibc only')

const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user']
const noexec = 'an addon on a file system that is mounted noexec is named'
if (spawnSync('unshare', ['--mount', ...asRoot, 'true']).status === 0) {
  linuxTest(noexec, async (t) => {
    const folder = packageWith(installed(''))
    const modules = join(folder, 'node_modules', `cmalloc-${HERE}`)
    const file = JSON.stringify({ main: fileOf(HERE) })
    const enter =
      'mount -t tmpfs -o noexec tmpfs "$1" && echo "$2" > "$1/package.json" && cp "$3" "$1" && shift 3 && exec "$@"'
    const prefix = ['unshare', '--mount', ...asRoot, 'sh', '-c', enter, 'sh', modules, file, ADDON]
    tellsReason(t, await requireFrom(t, folder, { prefix }), /map segment|not permitted/, /not mounted noexec$/)
  })
} else notRun(noexec, 'it needs a mount namespace')

test('the platforms that errors name are those that packages are published for', (t) => {
  t.deepEqual(SUPPORTED, readdirSync(join(ROOT, 'npm')).sort())
})
