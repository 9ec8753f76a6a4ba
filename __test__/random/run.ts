/**
 * Performs random sequences of calls, in child processes, on every version of Node in turn:
 *
 * - `npm run fuzz`: calls with hostile arguments, whose code does something to handles while a call is under way
 * - `npm run model`: sound calls on many handles, against a model that knows every byte
 *
 * None may end in a signal, throw an undocumented error, lose a byte or leak a block. Half of them run with the cache of freed
 * blocks, half without. Every failure is printed with the command that makes it again: `--node`, `--cache`, `--seed` and
 * `--sequences` for a batch, `--path` for one sequence of it.
 */

import { nameOf } from '../support/run.js'
import { parseArguments } from './arguments.js'
import { batchesOf, runAll, runBatch, toArguments, type Batch, type Result } from './batches.js'

const command = (batch: Batch): string => `npm run ${batch.suite} -- ${toArguments(batch).join(' ')}`

async function main(): Promise<void> {
  const asked = parseArguments(process.argv.slice(2))
  const batches = batchesOf(asked)
  console.log(`${asked.sequences} sequences in ${batches.length} processes: ${command(asked)}`)
  let failures = 0
  let steps = 0
  await runAll(batches, async (result) => {
    if (result.code === 0) return void (steps += Number(result.stdout))
    failures++
    process.exitCode = 1
    await explain(result)
  })
  if (failures === 0) console.log(`ok: ${steps} steps: no signal, no undocumented error, no wrong byte, no leak`)
  else console.log(`FAILED: ${failures} of ${batches.length} processes`)
}

/** Says how a process ended, how to make it end so again, and narrows it down to one sequence. */
async function explain(result: Result): Promise<void> {
  const how = result.signal === null ? `exited with ${result.code}` : `was ended by ${result.signal}`
  console.log(`\nA process ${how} in sequence ${result.last} of seed ${result.seed} on ${nameOf(result.node!)}`)
  console.log(`  replay the batch:    ${command(result)}`)
  if (result.signal === null) explainFailure(result)
  else await narrow(result)
}

interface Failure {
  path: string | null
  error: string
}

/** The process lived to tell, and has tried smaller sequences. */
function explainFailure(result: Result): void {
  const [first = '', ...rest] = result.stdout.split('\n')
  const failure = parseFailure(first)
  if (failure?.path) console.log(`  replay the smallest: ${command({ ...result, path: failure.path })}`)
  console.log([failure?.error ?? first, ...rest, result.stderr].join('\n').trim())
}

function parseFailure(line: string): Failure | undefined {
  try {
    return JSON.parse(line) as Failure
  } catch {
    return undefined
  }
}

/** Runs the sequence that was under way once more, alone, and shows its steps. */
async function narrow(result: Result): Promise<void> {
  const alone = await runBatch({ ...result, path: String(result.last), sequences: 1 }, true)
  if (alone.code === 0)
    return console.log('  alone, that sequence does not fail: it takes what the ones before it left')
  console.log(`  replay the sequence: ${command({ ...result, path: String(result.last) })}`)
  console.log(`  which ${alone.signal === null ? `exits with ${alone.code}` : `ends by ${alone.signal}`} after:`)
  console.log(alone.stderr.trim().replaceAll(/^/gm, '    '))
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
})
