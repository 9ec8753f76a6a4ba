/** Runs what a place runs, and says how that ended. */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { runtimePath } from '../../__test__/support/run.js'
import { run } from '../packages/run.js'
import type { At, Place } from './kit.js'
import { addCmalloc, projectFolder, TARGET } from './project.js'
import { firstError, readReport } from './report.js'

const FIXTURES = join(__dirname, 'fixtures')
const TIMEOUT = 120_000

export interface Result {
  place: Place
  /** What failed: nothing if all is well. */
  failures: string[]
  /** Why it could not be run. */
  notRun?: string
  /** How many cases held. */
  held: number
  milliseconds: number
  /** The file with what the commands have printed. */
  log: string
}

export async function runPlace(place: Place, cmalloc: string): Promise<Result> {
  const name = place.name.replace(/\W+/g, '-').replace(/-$/, '').toLowerCase()
  const project = projectFolder(place.project)
  const at: At = {
    folder: join(project, 'places', name),
    deployed: join(TARGET, 'deployed', name),
    tool: (path) => join(project, 'node_modules', path),
  }
  const report = join(at.folder, '.report')
  const log = join(TARGET, 'logs', `${name}.log`)
  setUp(place, at)
  mkdirSync(dirname(log), { recursive: true })
  const start = performance.now()
  let [output, last, failed, isDeployed] = ['', '', false, false]
  for (const { command, args, deployed = false, env } of place.commands(at)) {
    if (deployed && !isDeployed) {
      isDeployed = true
      deploy(place, at, cmalloc)
    }
    const cwd = deployed ? at.deployed : at.folder
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const outcome = await run(
      command,
      args,
      cwd,
      { ...environment(place, at), ...env, CMALLOC_REPORT: report },
      TIMEOUT,
    )
    output += `$ ${command} ${args.join(' ')}\n${outcome.output}\n`
    last = outcome.output
    failed = outcome.code !== 0
    if (failed) break
  }
  writeFileSync(log, output)
  const milliseconds = performance.now() - start
  return {
    place,
    ...judge(place, failed, output, last, existsSync(report) ? readFileSync(report, 'utf8') : ''),
    milliseconds,
    log,
  }
}

function setUp({ files, texts = {} }: Place, at: At): void {
  for (const folder of [at.folder, at.deployed]) rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(at.folder, 'out'), { recursive: true })
  // Tools find it further up. Files that name it look here.
  symlinkSync(at.tool(''), join(at.folder, 'node_modules'))
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(at.folder, name), text)
  for (const [name, fixture] of Object.entries(files)) {
    const to = join(at.folder, name)
    if (fixture.startsWith('shared.')) writeFileSync(to, shared(fixture))
    else copyFileSync(join(FIXTURES, fixture), to)
  }
}

/** The cases and the reports in one file, for what understands CommonJS and for what understands modules. */
function shared(name: string): string {
  const source = ['report.mjs', 'cases.mjs'].map((file) => readFileSync(join(FIXTURES, file), 'utf8')).join('\n')
  if (name === 'shared.mjs') return source
  const names = [...source.matchAll(/^export function (\w+)/gm)].map(([, exported]) => exported)
  const commonjs = source
    .replace(/^import \* as (\w+) from '([\w:]+)'/gm, "const $1 = require('$2')")
    .replace(/^export /gm, '')
  return `${commonjs}\nmodule.exports = { ${names.join(', ')} }\n`
}

function deploy({ withModules }: Place, at: At, cmalloc: string): void {
  mkdirSync(dirname(at.deployed), { recursive: true })
  // Else what is required as cmalloc there is this clone. In one step, as another place may be reading it.
  writeFileSync(`${at.deployed}.json`, '{}')
  renameSync(`${at.deployed}.json`, join(at.deployed, '../package.json'))
  renameSync(join(at.folder, 'out'), at.deployed)
  if (withModules) addCmalloc(cmalloc, at.deployed)
}

/** Nothing of this machine's but the runtimes. */
function environment({ node }: Place, { folder, tool }: At): NodeJS.ProcessEnv {
  const home = join(folder, '.home')
  mkdirSync(home, { recursive: true })
  const runtime = dirname(runtimePath(typeof node === 'number' ? node : 20))
  // In the last one there are Bun and Deno.
  const path = [runtime, tool('.bin'), '/usr/bin', '/bin', join(dirname(runtimePath('deno')), '../.bin')].join(':')
  return { PATH: path, HOME: home, TMPDIR: home, CI: '1', NO_COLOR: '1' }
}

function judge(
  { refuses, silent, times, unreachable }: Place,
  failed: boolean,
  output: string,
  last: string,
  report: string,
): Pick<Result, 'failures' | 'held' | 'notRun'> {
  const { planned, held, failures } = readReport(report)
  const [missing] = unreachable?.exec(last) ?? []
  if (failed && missing !== undefined) return { held, failures, notRun: missing }
  if (refuses !== undefined) {
    const right = failed && held === 0 && refuses.test(last)
    return { held, failures: right ? [] : [`It must say ${refuses}, and says: ${firstError(last)}`] }
  }
  if (failures.length === 0 && failed) failures.push(firstError(last))
  const noise = silent === undefined ? 0 : output.split(silent).length - 1
  if (noise > 0) failures.push(`It must not print ${silent}, and does so ${noise} times`)
  if (failures.length === 0 && (planned.sets < times || planned.cases !== held)) {
    failures.push(`${planned.sets} sets of ${times} were planned, and ${held} cases of ${planned.cases} have held`)
  }
  return { held, failures }
}
