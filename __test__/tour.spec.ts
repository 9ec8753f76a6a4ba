import { resolve } from 'node:path'
import test from 'ava'
import { Report } from '../examples/tour/report.js'
import { ROOT, runFixture, runSource } from './support/run.js'

const TSX = { flags: ['--import=tsx'] }

test('the tour finds everything as claimed', async (t) => {
  const { code, signal, stdout, stderr } = await runFixture(resolve(ROOT, 'examples/tour.ts'), [], TSX)
  t.is(stderr, '')
  t.is(signal, null)
  t.is(code, 0)
  const lines = stdout.split('\n').filter((line) => line.startsWith('  '))
  const verdicts = lines.slice(1).map((line) => line.trim().split(' ')[0])
  t.true(verdicts.length >= 25)
  // What is only shown has no verdict.
  t.deepEqual(new Set(verdicts), new Set(['ok', '-']))
})

test('a report counts the claims that are false, and says which', (t) => {
  const report = new Report()
  report.section('true')
  report.equal('equal', 1, 1)
  report.about('about', 102, 100, 2)
  report.throws('throws', () => Buffer.alloc(-1), 'ERR_OUT_OF_RANGE')
  report.note('note', 'only shown')
  t.is(report.failed, 0)
  t.regex(report.toString(), /^ {2}- {7}note +only shown$/m)
  t.false(report.toString().includes('FAILED'))

  report.section('false')
  report.equal('another value', 1, 2)
  report.equal('another type', 0, 0n)
  report.about('too little', 97, 100, 2)
  report.about('too much', 103, 100, 2)
  report.about('no number', NaN, 100, 2)
  report.throws('no error', () => 1, 'ERR_OUT_OF_RANGE')
  report.throws('another error', () => Buffer.alloc('' as never), 'ERR_OUT_OF_RANGE')
  t.is(report.failed, 7)
  const failed = report.toString().match(/(?<=FAILED {2})\w+ \w+/g)
  t.deepEqual(failed, [
    'another value',
    'another type',
    'too little',
    'too much',
    'no number',
    'no error',
    'another error',
  ])
})

for (const { measured, expected } of [
  { measured: 256, expected: 0 },
  { measured: 250, expected: 1 },
  { measured: 0, expected: 1 },
]) {
  test(`the tour exits with ${expected} if ${measured} of 256 MiB are resident`, async (t) => {
    const source = `
      const { Report, conclude } = require('./examples/tour/report.ts')
      const report = new Report()
      report.about('malloc(256 MiB): the process grows by', ${measured} * 2 ** 20, 2 ** 28, 2 ** 28 * 0.02)
      conclude(report)`
    const { code, stdout } = await runSource(source, TSX)
    t.is(code, expected)
    t.is(stdout.includes('FAILED: 1 claims are false'), expected === 1)
  })
}
