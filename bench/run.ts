/**
 * `npm run bench [-- cold|churn|tasks|threads|memory|more|built …]`: measures, and writes bench/results: the report, what it
 * was made from, and the plots. Suites that are not named are taken from the last run; with `report` as the only name, all of
 * them are. With `--quick` it measures less, and writes to target/bench. Needs a C compiler.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from '../__test__/support/run.js'
import * as bars from './bars.js'
import { describeMachine, IN_SHORT } from './machine.js'
import type { Effort } from './programs.js'
import * as built from './suites/built.js'
import * as churn from './suites/churn.js'
import * as cold from './suites/cold.js'
import * as memory from './suites/memory.js'
import * as more from './suites/more.js'
import * as tasks from './suites/tasks.js'
import * as threads from './suites/threads.js'

interface Suite<Cases> {
  measure(log: (line: string) => void, effort: Effort): Cases
  toMarkdown(cases: Cases): string
}

type Suites = { [Name in keyof bars.Measured]: Suite<bars.Measured[Name]> }
const SUITES: Suites = { churn, tasks, threads, memory, cold, more, built }
const NAMES = Object.keys(SUITES) as (keyof Suites)[]

interface Results extends bars.Measured {
  machine: string[]
  /** The seconds that each suite took. */
  took: Partial<Record<keyof Suites, number>>
}

/** What the command line asks for. */
function asked(): { effort: Effort; names: string[] } {
  const { values, positionals: names } = parseArgs({ options: { quick: { type: 'boolean' } }, allowPositionals: true })
  const unknown = names.find((name) => name !== 'report' && !(name in SUITES))
  if (unknown !== undefined) throw new Error(`There is no suite ${unknown}, only ${NAMES.join(', ')}`)
  return { effort: values.quick === true ? 'quick' : 'full', names }
}

/** What was measured now, and the last time where that was not asked for. */
function measure(effort: Effort, names: string[], last: Partial<Results>): Results {
  const log = (line: string): void => console.error(line)
  const results = { ...last } as Results
  results.took = { ...last.took }
  if (names.join() !== 'report' || last.machine === undefined) results.machine = describeMachine()
  const run = <Name extends keyof Suites>(name: Name): void => {
    if (names.length > 0 && !names.includes(name) && last[name] !== undefined) return
    const start = performance.now()
    const suite: Suite<bars.Measured[Name]> = SUITES[name]
    ;(results as bars.Measured)[name] = suite.measure(log, effort)
    results.took[name] = Math.round((performance.now() - start) / 1000)
    log(`${name} took ${results.took[name]} s`)
  }
  NAMES.forEach(run)
  return results
}

function report(results: Results, effort: Effort): string {
  const parts = NAMES.map(<Name extends keyof Suites>(name: Name) => {
    const suite: Suite<bars.Measured[Name]> = SUITES[name]
    return suite.toMarkdown(results[name])
  })
  const took = NAMES.map((name) => `${name} ${results.took[name] ?? '?'} s`).join(', ')
  return [
    '# What was measured',
    '',
    `Made by \`npm run bench${effort === 'quick' ? ' -- --quick' : ''}\`; [every value](results.json).`,
    '',
    ...[...results.machine, `it took: ${took}`].map((line) => `- ${line}`),
    '',
    bars.toMarkdown(results),
    `${parts.join('\n').trimEnd()}\n`,
  ].join('\n')
}

function main(): void {
  const { effort, names } = asked()
  const folder = resolve(ROOT, effort === 'quick' ? 'target/bench' : 'bench/results')
  const data = resolve(folder, 'results.json')
  const last = existsSync(data) ? (JSON.parse(readFileSync(data, 'utf8')) as Partial<Results>) : {}
  const results = measure(effort, names, last)
  mkdirSync(folder, { recursive: true })
  const files = {
    'results.json': `${JSON.stringify(results)}\n`,
    'cold.svg': cold.toPlot(results.cold, IN_SHORT),
    'churn.svg': churn.toPlot(results.churn, IN_SHORT),
    'scale.svg': more.toPlot(results.more, IN_SHORT),
    'README.md': report(results, effort),
  }
  for (const [name, contents] of Object.entries(files)) writeFileSync(resolve(folder, name), contents)
  console.log(bars.toMarkdown(results))
  console.log(`All of it is in ${relative(ROOT, folder)}/README.md`)
}

main()
