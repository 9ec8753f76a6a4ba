import { spawn } from 'node:child_process'

export interface Outcome {
  code: number | null
  /** Of both streams. */
  output: string
  milliseconds: number
}

/** Runs a program to its end, or for `timeout` milliseconds, while this process goes on: it may be asked for something by the program. */
export function run(
  command: string,
  args: string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  timeout = 300_000,
): Promise<Outcome> {
  const start = performance.now()
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    }
    child.on('error', fail)
    child.on('close', (code) => done({ code, output, milliseconds: performance.now() - start }))
  })
}

/** The same; throws if the program fails. */
export async function succeed(
  command: string,
  args: string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
  timeout?: number,
): Promise<Outcome> {
  const outcome = await run(command, args, cwd, env, timeout)
  if (outcome.code !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${outcome.code} in ${cwd}:\n${outcome.output}`)
  }
  return outcome
}

/** Does something with each, one after the other. */
export async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  // oxlint-disable-next-line no-await-in-loop -- that is what it is for
  for (const item of items) results.push(await work(item))
  return results
}
