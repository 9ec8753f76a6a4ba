/**
 * `npm run bench [-- cold|churn|more|built …]`: measures, and writes bench/results: the report, what it was made from, and
 * the plots. Suites that are not named are taken from the last run; with `report` as the only name, all of them are.
 * Needs a C compiler.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { arch, cpus, release, totalmem, type } from 'node:os'
import { resolve } from 'node:path'
import { version } from 'cmalloc/package.json'
import { ROOT, runtimePath } from '../__test__/support/run.js'
import * as bars from './bars.js'
import { nameOf, RUNTIMES } from './programs.js'
import { size } from './report/text.js'
import * as built from './suites/built.js'
import * as churn from './suites/churn.js'
import * as cold from './suites/cold.js'
import * as more from './suites/more.js'

const RESULTS = resolve(ROOT, 'bench/results')
const DATA = resolve(RESULTS, 'results.json')

interface Results extends bars.Measured {
  machine: string[]
}

function versionOf(runtime: (typeof RUNTIMES)[number]): string {
  const output = execFileSync(runtimePath(runtime), ['--version'], { encoding: 'utf8' })
  return `${nameOf(runtime)}: ${/\d+\.\d+\.\d+/.exec(output)?.[0]}`
}

function installed(name: string): string {
  const { version: found } = JSON.parse(read(resolve(ROOT, 'node_modules', name, 'package.json'))) as {
    version: string
  }
  return found
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : 'unknown'
}

function describeMachine(): string[] {
  const addon = resolve(ROOT, 'cmalloc.linux-x64-gnu.node')
  const compiler = execFileSync('cc', ['--version'], { encoding: 'utf8' }).split('\n')[0]
  return [
    `date: ${new Date().toISOString().slice(0, 10)}`,
    `processor: ${cpus()[0]?.model.trim()}, ${cpus().length} cores; memory: ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `system: ${type()} ${release()} ${arch()}; huge pages: ${read('/sys/kernel/mm/transparent_hugepage/enabled')}`,
    `runtimes: ${RUNTIMES.map(versionOf).join(', ')}`,
    `cmalloc ${version}, koffi ${installed('koffi')}, sodium-native ${installed('sodium-native')}; C: ${compiler}`,
    `the addon has ${existsSync(addon) ? size(statSync(addon).size) : 'an unknown size'}`,
  ]
}

function main(): void {
  const log = (line: string): void => console.error(line)
  const names = process.argv.slice(2)
  const suites = { cold, churn, more, built }
  const unknown = names.find((name) => name !== 'report' && !(name in suites))
  if (unknown !== undefined) throw new Error(`There is no suite ${unknown}, only ${Object.keys(suites).join(', ')}`)
  const last = existsSync(DATA) ? (JSON.parse(readFileSync(DATA, 'utf8')) as Partial<Results>) : {}
  const wanted = (name: keyof typeof suites): boolean =>
    names.length === 0 || names.includes(name) || last[name] === undefined
  const results: Results = {
    machine: names.join() === 'report' && last.machine !== undefined ? last.machine : describeMachine(),
    churn: wanted('churn') ? churn.measure(log) : last.churn!,
    cold: wanted('cold') ? cold.measure(log) : last.cold!,
    more: wanted('more') ? more.measure(log) : last.more!,
    built: wanted('built') ? built.measure(log) : last.built!,
  }

  const subtitle = `${results.machine[1]}, ${type()} ${release()}`
  mkdirSync(RESULTS, { recursive: true })
  writeFileSync(DATA, `${JSON.stringify(results)}\n`)
  writeFileSync(resolve(RESULTS, 'cold.svg'), cold.toPlot(results.cold, subtitle))
  writeFileSync(resolve(RESULTS, 'churn.svg'), churn.toPlot(results.churn, subtitle))
  writeFileSync(resolve(RESULTS, 'scale.svg'), more.toPlot(results.more, subtitle))
  const report = [
    '# What was measured',
    '',
    'Made by `npm run bench`; [every value](results.json).',
    '',
    ...results.machine.map((line) => `- ${line}`),
    '',
    bars.toMarkdown(results),
    cold.toMarkdown(results.cold),
    churn.toMarkdown(results.churn),
    more.toMarkdown(results.more),
    built.toMarkdown(results.built).trimEnd(),
    '',
  ]
  writeFileSync(resolve(RESULTS, 'README.md'), report.join('\n'))
  console.log(bars.toMarkdown(results))
}

main()
