/** One batch of sequences: the program that may crash. Started by run.ts. */

import { openSync, writeSync } from 'node:fs'
import { malloc, setMemoryLimit, stats, trim } from 'cmalloc'
import * as fc from 'fast-check'
import { parseArguments } from './arguments.js'
import { collect } from './collect.js'
import type { Sequence, Suite } from './suite.js'

const { suite: name, seed, sequences, path, plant, cache, progress, trace } = parseArguments(process.argv.slice(2))

const { suite } = require(`../${name}/suite.js`) as { suite: Suite }

/** The number of the sequence under way, in a file that outlives a crash. */
let current = (path === undefined ? 0 : Number.parseInt(path, 10)) - 1
const file = progress === undefined ? undefined : openSync(progress, 'w')
/** As soon as one has failed, smaller ones of it are tried. */
let shrinking = false
let ran = 0
let steps = 0

async function runSequence(made: Sequence): Promise<void> {
  // Behind the end of a path of fast-check's are its neighbours.
  if (path?.includes(':') && ran++ > 0) return
  if (!shrinking) {
    current++
    if (file !== undefined) writeSync(file, Buffer.from(String(current).padStart(9)), 0, 9, 0)
  }
  try {
    await suite.perform(made, trace ? (line) => void writeSync(2, `${line()}\n`) : () => {})
    steps += made.steps.length
    if (plant?.at === current) carryOut(plant.what)
  } catch (error) {
    shrinking = true
    throw error
  }
}

/** Fails on purpose, to show that failures are found. */
function carryOut(what: 'signal' | 'error' | 'leak'): void {
  if (what === 'signal') process.kill(process.pid, 'SIGSEGV')
  if (what === 'error') throw new Error('Broken: a planted error')
  leaked.push(malloc(8))
}

const leaked: unknown[] = []

/** Everything was freed or dropped: nothing may be left, and nothing may have been counted twice. */
async function mustBeEmpty(): Promise<void> {
  for (let round = 0; round < 30 && stats().liveBlocks > 0; round++) {
    collect('everything')
    // oxlint-disable-next-line no-await-in-loop -- finalizers run one turn after the other
    await new Promise((done) => setTimeout(done, 1))
  }
  const { liveBlocks, liveBytes, awaitingFinalizerBytes, cachedBytes } = stats()
  if (liveBlocks > 0 || liveBytes > 0 || awaitingFinalizerBytes > 0)
    throw new Error(`Broken: ${liveBlocks} blocks of ${liveBytes} bytes are left, ${awaitingFinalizerBytes} with views`)
  if (cache === false && cachedBytes > 0) throw new Error(`Broken: ${cachedBytes} bytes are kept, without a cache`)
  trim()
  // Where all is zero, nothing hides what was counted too often.
  const { allocations, explicitFrees, collectedFrees, ...left } = stats()
  const isLeft = left.liveBlocks + left.liveBytes + left.cachedBlocks + left.cachedBytes > 0
  if (isLeft || allocations !== explicitFrees + collectedFrees)
    throw new Error(`Broken: the counts do not end at zero: ${JSON.stringify(stats())}`)
}

/** What loads the program may have requests in flight as it begins. */
async function mustBeQuiet(): Promise<void> {
  const isBusy = (): boolean =>
    process.getActiveResourcesInfo?.().some((resource) => /FSReq|Connect/.test(resource)) ?? false
  for (let quiet = 0; quiet < 5; quiet++) {
    // oxlint-disable-next-line no-await-in-loop -- it waits for them
    await new Promise((done) => setTimeout(done, 2))
    if (isBusy()) quiet = 0
  }
}

async function main(): Promise<void> {
  await mustBeQuiet()
  setMemoryLimit(suite.memoryLimit)
  const replay = path === undefined ? {} : { path, endOnFailure: true }
  const details = await fc.check(fc.asyncProperty(suite.sequence, runSequence), { seed, numRuns: sequences, ...replay })
  if (details.failed) {
    const { counterexamplePath, errorInstance } = details
    console.log(JSON.stringify({ path: counterexamplePath, error: String((errorInstance as Error).stack) }))
    console.log(fc.stringify(details.counterexample))
    process.exitCode = 1
    return
  }
  await mustBeEmpty()
  console.log(steps)
}

main().catch((error: unknown) => {
  console.log(JSON.stringify({ path: null, error: error instanceof Error ? error.stack : String(error) }))
  process.exitCode = 1
})
