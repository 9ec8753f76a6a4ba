/**
 * How often a process is killed for memory that another one took while it looked: two processes in one memory control
 * group of Linux ask at the same moment for blocks of which only one fits.
 *
 * `npm run measure:competition [-- rounds]`
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus, release } from 'node:os'
import { resolve } from 'node:path'
import { createGroup, whyNoGroups, type MemoryGroup } from '../__test__/support/cgroup.js'

const MiB = 2 ** 20
const LIMIT = 600 * MiB
const LENGTH = 350 * MiB
const WAYS = ['cmalloc', 'Buffer'] as const
type Way = (typeof WAYS)[number]

/** Waits for the moment that it is told, asks, and holds what it got for a while. */
const COMPETITOR = `
  const way = process.argv[1]
  const { malloc } = require(${JSON.stringify(resolve(__dirname, '..'))})
  const ask = { cmalloc: () => malloc(${LENGTH}, 1, 1), Buffer: () => Buffer.alloc(${LENGTH}, 1) }[way]
  process.once('message', (moment) => {
    while (Date.now() < moment) {}
    let outcome = 'served'
    let block
    try {
      block = ask()
    } catch (error) {
      outcome = error.code
    }
    // Until the other one has its answer too.
    setTimeout(() => process.send(block === undefined ? outcome : 'served', () => process.exit()), 1500)
  })
  process.send('ready')`

/** What became of one competitor: served, an error's code, or the signal that killed it. */
async function compete(group: MemoryGroup, way: Way, moment: Promise<number>): Promise<string> {
  const [command, ...rest] = [...group.prefix, process.execPath, '--eval', COMPETITOR, way]
  const child = spawn(command!, rest, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  await once(child, 'message')
  ready()
  let outcome: string | undefined
  child.on('message', (message) => (outcome = String(message)))
  child.send(await moment)
  const [, signal] = await exit
  return outcome ?? signal ?? 'no answer'
}

let ready = (): void => {}

async function round(way: Way, number: number): Promise<string> {
  const group = createGroup(`competition-${way}-${number}`, LIMIT)
  try {
    let waiting = 2
    const moment = new Promise<number>((done) => {
      ready = () => {
        waiting -= 1
        if (waiting === 0) done(Date.now() + 100)
      }
    })
    const outcomes = await Promise.all([compete(group, way, moment), compete(group, way, moment)])
    return outcomes.sort().join(' and ')
  } finally {
    await group.remove()
  }
}

async function main(): Promise<void> {
  const reason = whyNoGroups()
  if (reason !== undefined) throw new Error(`No memory control group can be made here: ${reason}`)
  const rounds = Number(process.argv[2] ?? 50)
  const { length } = cpus()
  console.log(`${cpus()[0]?.model}, ${length} processors, kernel ${release()}, Node ${process.version}`)
  console.log(`Two processes in a group of ${LIMIT / MiB} MiB ask for ${LENGTH / MiB} MiB each, ${rounds} times`)
  for (const way of WAYS) {
    const counts = new Map<string, number>()
    for (let number = 0; number < rounds; number++) {
      // oxlint-disable-next-line no-await-in-loop -- one round after the other
      const outcome = await round(way, number)
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
    }
    console.log(`${way}:`)
    for (const [outcome, count] of [...counts].sort(([, one], [, other]) => other - one)) {
      console.log(`  ${count} times: ${outcome}`)
    }
  }
}

void main()
