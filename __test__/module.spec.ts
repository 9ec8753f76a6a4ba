import test from 'ava'
import * as byName from 'cmalloc'
import { ROOT, runSource } from './support/run.js'

test('require by name, by path and import give the same objects', async (t) => {
  const source = `
    const byName = require('cmalloc'), byPath = require(${JSON.stringify(ROOT)})
    import('cmalloc').then((imported) => console.log(
      byName === byPath, Object.keys(byName).every((key) => imported[key] === byName[key]), Object.keys(byName).join()))`
  const { stdout, stderr } = await runSource(source)
  t.is(stderr, '')
  t.is(stdout.trim(), `true true ${Object.keys(byName).join()}`)
})
