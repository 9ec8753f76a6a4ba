/**
 * Loaded into ava's main process, on Node: the processes in which ava runs each spec are those of another runtime then,
 * which `CMALLOC_TEST_NODES` names. All else stays ava's: its assertions, its timeouts, what it says of a process that
 * crashes, its report.
 *
 * Bun and Deno do not run ava's main process. That of a spec they do, told by JSON: they do not speak the other way in
 * which processes of Node send each other messages.
 */

import childProcess, { type ChildProcess, type ForkOptions } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { argumentsFor, type OtherRuntime } from '../../__test__/support/command.js'
import { ROOT, runtimePath } from '../../__test__/support/run.js'

interface Message {
  ava?: { err?: SentError }
}

interface SentError {
  name?: string
  message?: string
  stack?: string
}

const runtime = process.env['CMALLOC_TEST_NODES'] as OtherRuntime
const { fork } = childProcess

// Not what ava gives: the flags of its main process are among them.
const { ava } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { ava: { nodeArguments: string[] } }

childProcess.fork = ((path: string, args: string[], options: ForkOptions) => {
  const child = fork(path, args, {
    ...options,
    execPath: runtimePath(runtime),
    execArgv: argumentsFor(runtime, ava.nodeArguments),
    serialization: 'json',
  })
  // The first of its listeners, so that it is done before ava looks.
  return child.on('message', ({ ava: event }: Message) => complete(event?.err)) satisfies ChildProcess
}) as typeof fork

/** What a runtime leaves out of an error ends ava's report, which takes it from the error itself: JSON has none. */
function complete(error: SentError | undefined): void {
  if (error === undefined) return
  error.name ??= 'Error'
  error.stack ||= error.message ?? 'no stack'
}
