import { resolve } from 'node:path'
import test from 'ava'
import * as byName from 'cmalloc'
import { nameOf, RUNTIMES, ROOT, runFixture, runSource } from './support/run.js'

test('require by name, by path and import give the same objects', async (t) => {
  const source = `
    const byName = require('cmalloc'), byPath = require(${JSON.stringify(ROOT)})
    import('cmalloc').then((imported) => console.log(
      byName === byPath, Object.keys(byName).every((key) => imported[key] === byName[key]), Object.keys(byName).sort().join()))`
  const { stdout, stderr } = await runSource(source)
  t.is(stderr, '')
  // Some runtimes list the default export too.
  const names = Object.keys(byName).filter((name) => name !== 'default')
  t.is(stdout.trim(), `true true ${names.sort().join()}`)
})

test('cmalloc/native is the binding, index.js', async (t) => {
  const index = resolve(ROOT, 'index.js')
  const source = `
    const native = require('cmalloc/native')
    console.log(native === require(${JSON.stringify(index)}), require.resolve('cmalloc/native'))`
  const { stdout, stderr } = await runSource(source)
  t.is(stderr, '')
  t.is(stdout.trim(), `true ${index}`)
})

test('raw calls that somebody else takes name no block of a handle', async (t) => {
  const source = `
    const handles = Array.from({ length: 10 }, () => require('cmalloc').malloc(64))
    const { free, keyStep, registers } = require('cmalloc/native').takeRawCalls()
    const codes = new Set()
    const stranger = new (require('cmalloc/native').Slot)()
    const first = stranger.key - (stranger.key % keyStep)
    for (let key = first; key < first + 1000; key++) {
      registers[0] = key
      try { free(); codes.add('freed') } catch (error) { codes.add(error.code) }
    }
    console.log(...codes, handles.some(({ freed }) => freed))`
  const { stdout } = await runSource(source)
  t.is(stdout.trim(), 'ERR_CMALLOC_FREED false')
})

test('the JavaScript is evaluated anew in one thread, and works each time', async (t) => {
  const source = `
    const all = [1, 2, 3].map(() => {
      for (const path of Object.keys(require.cache)) if (!path.endsWith('.node')) delete require.cache[path]
      return require('cmalloc')
    })
    const handles = all.map(({ malloc }, index) => malloc(64, 1, index))
    console.log(new Set(all.map(({ NativeBuffer }) => NativeBuffer)).size, all[0].stats().liveBlocks)
    handles.forEach((handle, index) => {
      console.log(handle.bytes.every((byte) => byte === index))
      handle.free()
      try { handle.free() } catch (error) { console.log(error.code) }
    })
    console.log(all[2].stats().liveBlocks)`
  const { stdout } = await runSource(source)
  t.is(stdout.trim(), `3 3\n${'true\nERR_CMALLOC_FREED\n'.repeat(3)}0`)
})

test('what is inside of the package cannot be required by name', async (t) => {
  const source = `try { require('cmalloc/dist/core/index.js') } catch (error) { console.log(error.code) }`
  const { stdout } = await runSource(source)
  // The second is Bun's.
  t.regex(stdout.trim(), /^(ERR_PACKAGE_PATH_NOT_EXPORTED|MODULE_NOT_FOUND)$/)
})

for (const node of RUNTIMES) {
  test.serial(`import { malloc } by name works, on ${nameOf(node)}`, async (t) => {
    const outcome = await runFixture('module-import.mjs', [], { node })
    t.deepEqual(outcome, { code: 0, signal: null, stdout: 'abc true\ntrue true\ntrue\n', stderr: '' })
  })

  for (const order of ['before', 'after']) {
    test.serial(`several workers load cmalloc, the main thread ${order} them, on ${nameOf(node)}`, async (t) => {
      const outcome = await runFixture('module-workers.js', [order], { node })
      t.deepEqual(outcome, { code: 0, signal: null, stdout: 'done\n', stderr: '' })
    })
  }
}
