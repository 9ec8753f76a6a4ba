/** Starts the child processes, and says what became of each. */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { commandOf, ROOT, RUNTIMES } from '../support/run.js'
import type { Arguments } from './arguments.js'

/** How many sequences one process runs. */
export const BATCH = 1000

/** How many processes run at once. */
const AT_ONCE = 2

/** A process that takes longer hangs: it is killed, and counts as one that a signal ended. */
const TIME_LIMIT = 300_000

export type Batch = Pick<Arguments, 'suite' | 'node' | 'seed' | 'sequences' | 'path' | 'plant' | 'cache'>

export interface Result extends Batch {
  code: number | null
  signal: NodeJS.Signals | null
  /** The number of the sequence that was under way at last. */
  last: number
  /** What the process said of a failure. */
  stdout: string
  stderr: string
}

/** What runs without the cache has its processes run without it, too: a sanitizer. */
const MAY_CACHE = process.env['CMALLOC_CACHE'] !== '0'

/**
 * Cuts so many sequences into batches, each with a seed and a runtime of its own. On each runtime every other one has no cache
 * of freed blocks. A plant is of the first one.
 */
export function batchesOf({ suite, node, seed, sequences, path, plant, cache }: Batch): Batch[] {
  const batches: Batch[] = []
  const runtimes = node === undefined ? RUNTIMES : [node]
  const length = cache === undefined ? Math.min(BATCH, Math.ceil(sequences / 2)) : BATCH
  for (let done = 0; done < sequences; done += length) {
    const index = batches.length
    const [place, round] = [index % runtimes.length, Math.floor(index / runtimes.length)]
    batches.push({
      suite,
      node: runtimes[place],
      seed: seed + index,
      sequences: Math.min(length, sequences - done),
      path,
      plant: index === 0 ? plant : undefined,
      cache: MAY_CACHE && (cache ?? (place + round) % 2 === 0),
    })
  }
  return batches
}

/** Runs batches, a few at once, and reports each as it ends. */
export async function runAll(batches: Batch[], report: (result: Result) => Promise<void>): Promise<void> {
  const waiting = [...batches]
  const work = async (): Promise<void> => {
    for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is the point
      await report(await runBatch(batch))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

/** Runs one batch in a process of its own. */
export async function runBatch(batch: Batch, trace = false): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'cmalloc-fuzz-'))
  const progress = join(directory, 'progress')
  try {
    const ended = await start(batch, [
      batch.suite,
      ...toArguments(batch),
      '--progress',
      progress,
      ...(trace ? ['--trace'] : []),
    ])
    return { ...batch, ...ended, last: Number(readFileSync(progress, { encoding: 'utf8', flag: 'a+' })) }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** The options that make a batch again. */
export function toArguments({ node, seed, sequences, path, plant, cache }: Batch): string[] {
  return [
    ...(node === undefined ? [] : ['--node', String(node)]),
    '--seed',
    String(seed),
    ...(path === undefined ? ['--sequences', String(sequences)] : ['--path', path]),
    ...(plant === undefined ? [] : ['--plant', `${plant.what}@${plant.at}`]),
    ...(cache === undefined ? [] : ['--cache', cache ? 'on' : 'off']),
  ]
}

function start({ node, cache }: Batch, args: string[]): Promise<Pick<Result, 'code' | 'signal' | 'stdout' | 'stderr'>> {
  const program = resolve(__dirname, 'child.ts')
  return new Promise((done, fail) => {
    const [command, ...flags] = commandOf(node, ['--import=tsx', '--expose-gc'])
    const child = spawn(command!, [...flags, program, ...args], {
      cwd: ROOT,
      // What compiles TypeScript cares for its cache in the background: requests in flight that are not the sequence's.
      env: { ...process.env, TSX_DISABLE_CACHE: '1', CMALLOC_CACHE: cache === false ? '0' : '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIME_LIMIT,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', fail)
    child.on('close', (code, signal) => done({ code, signal, stdout, stderr }))
  })
}
