/**
 * `npm run soak [-- --minutes N] [--seed N] [--node V] [--cache on|off] [--plot FILE]`: a mixed load on the main thread and on
 * workers that come and go. Plots what the process has in memory, which must end level, and with no block left.
 */

import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { draw } from '../../bench/report/plot.js'
import { ROOT, runtimePath, type NodeVersion } from '../support/run.js'

const MiB = 2 ** 20

/**
 * What memory may differ between two stretches of time that are level. A run of one minute on a busy machine still warms
 * up in its second third: it grew by up to 41 MiB, to what ten minutes stay at.
 */
const LEVEL = 48 * MiB

interface Sample {
  seconds: number
  resident: number
  external: number
  liveBytes: number
  liveBlocks: number
  cachedBytes: number
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    node: { type: 'string' },
    cache: { type: 'string', default: 'on' },
    plot: { type: 'string', default: join(ROOT, 'target/soak.svg') },
  },
})
const seconds = 60 * Number(values.minutes)
if (!(seconds > 0)) throw new Error(`--minutes must be a number over 0, not ${values.minutes}`)
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
const node = values.node === undefined ? process.execPath : runtimePath(Number(values.node) as NodeVersion)

/** Runs the process, and collects its samples. */
async function watch(): Promise<{ samples: Sample[]; failed: string | undefined }> {
  const args = ['--expose-gc', join(__dirname, 'process.js'), String(seconds), String(seed)]
  const child = spawn(node, args, {
    cwd: ROOT,
    env: { ...process.env, CMALLOC_CACHE: values.cache === 'off' ? '0' : '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: (seconds + 120) * 1000,
  })
  const exit = new Promise<string | undefined>((done, fail) => {
    child.on('error', fail)
    child.on('close', (code, signal) => done(code === 0 ? undefined : `The process ended with ${code ?? signal}`))
  })
  const samples: Sample[] = []
  for await (const line of createInterface({ input: child.stdout })) samples.push(JSON.parse(line) as Sample)
  return { samples, failed: await exit }
}

function median(numbers: number[]): number {
  return numbers.toSorted((one, other) => one - other)[numbers.length >> 1]!
}

/** The median of the second third, and of the last: the first one warms up. */
function stretches(samples: Sample[], what: 'resident' | 'external'): [number, number] {
  const third = seconds / 3
  const within = (from: number, to: number): number =>
    median(samples.filter((sample) => sample.seconds >= from && sample.seconds < to).map((sample) => sample[what]))
  return [within(third, 2 * third), within(2 * third, seconds)]
}

const inMiB = (bytes: number): string => `${(bytes / MiB).toFixed(1)} MiB`

function plot(samples: Sample[], version: string): void {
  const line = (name: string, what: 'resident' | 'external' | 'liveBytes') => ({
    name,
    points: samples.map((sample): [number, number] => [sample.seconds / 60, sample[what] / MiB]),
  })
  const svg = draw({
    title: 'A mixed load on the main thread and on two workers that come and go',
    subtitle: `Node ${version}, ${process.platform} ${process.arch}, ${cpus().length} cores, seed ${seed}; resident without what C keeps of freed blocks`,
    x: { title: 'minutes', write: (value) => value.toFixed(1) },
    y: { title: 'MiB', write: (value) => value.toFixed(0) },
    lines: [
      line('resident memory', 'resident'),
      { ...line('live blocks', 'liveBytes'), who: 'cmalloc' },
      line('external memory of the main thread', 'external'),
    ],
  })
  mkdirSync(dirname(values.plot), { recursive: true })
  writeFileSync(values.plot, svg)
}

async function main(): Promise<void> {
  console.log(
    `${values.minutes} minutes: npm run soak -- --minutes ${values.minutes} --seed ${seed} --cache ${values.cache}`,
  )
  const { samples, failed } = await watch()
  plot(samples, process.versions.node)
  console.log(`The plot is ${relative(ROOT, values.plot)}`)
  const end = samples.at(-1)!
  const growth = (['resident', 'external'] as const).filter((what) => {
    const [middle, last] = stretches(samples, what)
    console.log(`${what} memory: ${inMiB(middle)} in the second third, ${inMiB(last)} in the last, as medians`)
    return last - middle > LEVEL + end.liveBytes
  })
  console.log(
    `When everything was freed: ${inMiB(end.resident)} resident, ${inMiB(end.external)} external, ${inMiB(end.liveBytes)} ` +
      `in ${end.liveBlocks} blocks that were being collected as their threads were ended`,
  )
  const problems = [...growth.map((what) => `The ${what} memory grows`), ...(failed === undefined ? [] : [failed])]
  for (const problem of problems) console.log(`FAILED: ${problem}`)
  if (problems.length === 0) console.log('ok: the memory is level')
  else process.exitCode = 1
}

void main()
