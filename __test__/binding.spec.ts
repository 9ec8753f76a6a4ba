import { copyFileSync, cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import { SUPPORTED } from '../lib/runtime/platform.js'
import { nameOf, RUNTIMES, ROOT, runSource, type Runtime } from './support/run.js'

/** The package as it is published, without the package of any platform. */
const folder = mkdtempSync(join(tmpdir(), 'cmalloc-binding-'))
test.before(() => {
  for (const name of ['package.json', 'index.js', 'index.d.ts']) copyFileSync(join(ROOT, name), join(folder, name))
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true })
})
test.after.always(() => rmSync(folder, { recursive: true }))

interface Pretended {
  os: string
  cpu: string
  libc?: 'glibc' | 'musl'
}

/** What a process that believes to be on such a system gets when it requires an entry of cmalloc. */
async function requireOn(
  t: ExecutionContext,
  { os, cpu, libc = 'glibc' }: Pretended,
  { entry = 'dist/index.js', node, env }: { entry?: string; node?: Runtime; env?: Record<string, string> } = {},
): Promise<{ name: string; code: string; message: string; causes: string[] }> {
  const source = `
    const fs = require('node:fs'), { readFileSync } = fs
    Object.defineProperty(process, 'platform', { value: '${os}' })
    Object.defineProperty(process, 'arch', { value: '${cpu}' })
    fs.readFileSync = (path, ...rest) => path === '/usr/bin/ldd' ? '${libc}' : readFileSync(path, ...rest)
    process.report.getReport = () => ({ header: ${libc === 'glibc' ? "{ glibcVersionRuntime: '2.36' }" : '{}'} })
    try {
      require(${JSON.stringify(join(folder, entry))})
      console.log(JSON.stringify({ code: 'loaded' }))
    } catch (error) {
      const causes = []
      for (let cause = error.cause; cause; cause = cause.cause) causes.push(cause.message)
      console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message, causes }))
    }`
  const { code, stdout, stderr } = await runSource(source, {
    ...(node && { node }),
    // Where the tests run with an addon from elsewhere.
    env: { NAPI_RS_NATIVE_LIBRARY_PATH: '', ...env },
  })
  t.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  return JSON.parse(stdout)
}

for (const node of RUNTIMES) {
  test(`without the package of its platform cmalloc says how to get it, on ${nameOf(node)}`, async (t) => {
    const { name, code, message, causes } = await requireOn(t, { os: 'linux', cpu: 'arm64' }, { node })
    t.deepEqual([name, code], ['Error', 'ERR_CMALLOC_NO_BINDING'])
    t.regex(message, /os linux, cpu arm64, libc glibc: the package cmalloc-linux-arm64-gnu is not installed/)
    t.regex(message, /npm install --include=optional/)
    t.regex(message, /build it from source, https:.* set NAPI_RS_NATIVE_LIBRARY_PATH/)
    t.true(message.includes(SUPPORTED.join(', ')))
    t.regex(causes[0]!, /^Cannot find native binding/, "the loader's own error")
    t.true(causes.some((cause) => cause.includes("'cmalloc-linux-arm64-gnu'")))
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
    const { code, message, causes } = await requireOn(t, system)
    t.is(code, 'ERR_CMALLOC_NO_BINDING')
    t.true(message.includes(`for ${described}: the package ${loaded} is not installed`), message)
    t.true(
      causes.some((cause) => cause.includes(`'${loaded}'`)),
      causes.join('\n'),
    )
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
  const addon = readdirSync(ROOT).find((name) => name.endsWith('.node'))!
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: join(ROOT, addon) }
  t.is((await requireOn(t, { os: 'linux', cpu: 'riscv64' }, { env })).code, 'loaded')
})

test('if NAPI_RS_NATIVE_LIBRARY_PATH names no addon, the error says so', async (t) => {
  const path = join(folder, 'broken.node')
  writeFileSync(path, 'no addon')
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: path }
  const { code, message, causes } = await requireOn(t, { os: process.platform, cpu: process.arch }, { env })
  t.is(code, 'ERR_CMALLOC_NO_BINDING')
  t.true(message.includes(`NAPI_RS_NATIVE_LIBRARY_PATH is set, and ${path} cannot be loaded`), message)
  t.true(causes.some((cause) => cause.includes('broken.node')))
})

test('the platforms that errors name are those that packages are published for', (t) => {
  t.deepEqual(SUPPORTED, readdirSync(join(ROOT, 'npm')).sort())
})
