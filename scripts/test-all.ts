/**
 * `npm run test:all`: runs the suite on every platform that this machine can run or emulate, with the binaries of
 * `npm run build:all`. It takes hours.
 *
 * `-- musl-x64 …` runs it in these places alone, `--specs residency,limits` runs only these specs, and `--minutes 5`
 * ends it in a place that takes longer.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { table } from '../bench/report/text.js'
import { ARTIFACTS } from './platforms/build.js'
import { EVERYWHERE } from './platforms/left-out.js'
import type { Place } from './platforms/place.js'
import { NOT_RUN, PLACES } from './platforms/places.js'
import { runSuite } from './platforms/suite.js'
import { publish } from './platforms/publish.js'
import { TARGETS } from './platforms/targets.js'
import { NotHere } from './platforms/tools.js'

const { values, positionals } = parseArgs({
  options: { specs: { type: 'string' }, minutes: { type: 'string', default: '180' } },
  allowPositionals: true,
})
const unknown = positionals.filter((name) => !PLACES.some((place) => place.name === name))
if (unknown.length > 0) throw new Error(`There is no place ${unknown.join(', ')}`)

const specs = values.specs?.split(',') ?? []
const details: string[] = []

async function main(): Promise<void> {
  const rows: string[][] = []
  for (const place of PLACES) {
    if (positionals.length > 0 && !positionals.includes(place.name)) continue
    console.log(`${place.name} …`)
    // oxlint-disable-next-line no-await-in-loop -- one after the other: tests measure memory and time
    rows.push([place.name, place.target, ...(await row(place))])
  }
  if (positionals.length === 0) {
    for (const { name, target, reason } of NOT_RUN) rows.push([name, target, '', '', '', `NOT RUN: ${reason}`])
  }
  const head = ['where', 'binary', 'passed', 'failed', 'not run', 'remark']
  const scope = specs.length === 0 ? [] : [`Only these specs: ${specs.join(', ')}`]
  publish('test-all.txt', [table(head, rows), ...scope, ...details].join('\n'))
}

async function row(place: Place): Promise<string[]> {
  try {
    const addon = join(ARTIFACTS, TARGETS.find(({ name }) => name === place.target)!.file)
    if (!existsSync(addon)) throw new NotHere('its binary is not built: npm run build:all')
    const prepared = place.prepare()
    const leftOut = [...EVERYWHERE, ...place.leftOut, ...(prepared.instead?.leftOut ?? [])]
    const order = { name: place.name, addon, leftOut, specs, timeout: Number(values.minutes) * 60_000 }
    const { passed, failed, notRun, broken } = await runSuite(prepared, order)
    details.push(...failed.map((title) => `${place.name}: FAILED: ${title}`))
    details.push(...notRun.map((title) => `${place.name}: not run: ${title}`))
    details.push(...leftOut.map(({ spec, title, why }) => `${place.name}: left out: ${spec ?? title}: ${why}`))
    if (failed.length > 0 || broken !== undefined || passed === 0) process.exitCode = 1
    const remark = prepared.instead?.remark ?? place.remark
    const whole = broken === undefined ? remark : `INCOMPLETE: ${broken}; ${remark}`
    return [String(passed), String(failed.length), String(notRun.length), whole]
  } catch (error) {
    if (!(error instanceof NotHere)) throw error
    return ['', '', '', `NOT RUN: ${error.message}`]
  }
}

void main()
