/** Programs in the debug mode, each in a process of its own. */

import { RUNTIMES, only, runSource, type Runtime, type Options, type Outcome } from './run.js'

/** Two are enough: what differs between versions of Node is not what the debug mode uses. */
const CHOSEN = only<Runtime>([20, 26])
export const DEBUGGED_VERSIONS = CHOSEN.length === 0 ? RUNTIMES : CHOSEN

/** Both variables, whatever the tests themselves run with. */
export const ON = { CMALLOC_DEBUG: '1', DEBUG: '' }

const PRELUDE = `
  const { consume, free, getBufferAddress, handOver, malloc, NativeBuffer, stats, takeOver } = require('cmalloc')
  const koffi = require('koffi')
  const libc = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null)
  const memset = libc.func('void *memset(void *to, int byte, size_t count)')
  const memcpy = libc.func('void *memcpy(void *to, const void *from, size_t count)')
  const mallocInC = libc.func('void *malloc(size_t size)')
  const freeInC = libc.func('void free(void *block)')
  const usable = { win32: '_msize', darwin: 'malloc_size' }[process.platform] ?? 'malloc_usable_size'
  const usableSize = libc.func('size_t ' + usable + '(void *block)')
  /** A byte past the end of a block. */
  const writePast = (block, past = 0) => memset(block.address + BigInt(block.byteLength + past), 0x41, 1)
  /** What a call throws. */
  const thrown = (call) => {
    try { call() } catch (error) { return error }
  }
  const describe = (error) => error && { code: error.code, class: error.constructor.name, message: error.message }
  const say = (value) => console.log(JSON.stringify(value ?? null, (_, item) => typeof item === 'bigint' ? '0x' + item.toString(16) : item))
  /** Its name must be in the stacks. */
  const allocatedHere = (...args) => malloc(...args)
  const collect = async (done) => {
    for (let round = 0; round < 200 && !done(); round++) {
      gc()
      await new Promise(setImmediate)
    }
  }
`

export interface Debugged extends Outcome {
  /** What the program said: a value for each line. */
  said: any[]
}

/** Runs a program in the debug mode, or with the variables that are given. */
export async function debug(source: string, options: Options = {}): Promise<Debugged> {
  const outcome = await runSource(`${PRELUDE}\n${source}`, {
    ...options,
    flags: ['--expose-gc', ...(options.flags ?? [])],
    env: { ...ON, ...options.env },
  })
  const lines = outcome.stdout.split('\n').filter((line) => line !== '')
  return { ...outcome, said: lines.map((line) => JSON.parse(line) as unknown) }
}

/** A report with what differs from run to run left out: addresses, stacks, and all but the first of many blocks. */
export function normalise(text: string): string {
  return text
    .replace(/0x[0-9a-f]+( of \d+ bytes?\b| is\b| does not begin\b)/g, '0x55d0c0de$1')
    .replace(/(?:^ {4}at .*\n)+/gm, '    at …\n')
    .replace(/(?:^ {2}block: .*\n {2}allocated:\n {4}at …\n){19}(?= {2}and )/m, '  …\n')
}

/** The reports on a standard error, each with the lines that belong to it. */
export function reports(stderr: string): string[] {
  return stderr.split(/^(?=cmalloc: )/m).filter((report) => report.startsWith('cmalloc: '))
}
