import { parseArgs } from 'node:util'
import { RUNTIMES, type Runtime } from '../support/run.js'

/** What makes up the sequences, and performs them: a folder beside this one. */
export const SUITES = ['fuzz', 'model'] as const
export type Suite = (typeof SUITES)[number]

export interface Arguments {
  suite: Suite
  /** The runtime to run on; each in turn if omitted. */
  node: Runtime | undefined
  seed: number
  /** How many sequences to run. */
  sequences: number
  /** Which sequence to run alone: its number, or the path that fast-check gives. */
  path: string | undefined
  /** A failure to make on purpose, once the sequence of that number is done. */
  plant: { what: 'signal' | 'error' | 'leak'; at: number } | undefined
  /** Whether freed blocks are kept for the next `malloc`; half of the sequences each if omitted. */
  cache: boolean | undefined
  /** The file that the child process writes the number of the sequence under way to. */
  progress: string | undefined
  /** Whether the child process tells each step before it is made. */
  trace: boolean
}

export const DEFAULT_SEQUENCES = 20_000

/** @throws for arguments that make no sense */
export function parseArguments(args: string[]): Arguments {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      node: { type: 'string' },
      seed: { type: 'string' },
      sequences: { type: 'string' },
      path: { type: 'string' },
      plant: { type: 'string' },
      cache: { type: 'string' },
      progress: { type: 'string' },
      trace: { type: 'boolean' },
    },
  })
  const [suite, ...more] = positionals
  if (!isSuite(suite) || more.length > 0)
    throw new Error(`There are ${SUITES.join(' and ')}, not ${positionals.join(' ')}`)
  const { node, seed, sequences, path, plant, cache, progress, trace = false } = values
  const alone = path === undefined ? DEFAULT_SEQUENCES : 1
  return {
    suite,
    node: node === undefined ? undefined : parseNode(node),
    seed: seed === undefined ? Math.floor(Math.random() * 2 ** 31) : integer('--seed', seed),
    sequences: sequences === undefined ? alone : integer('--sequences', sequences),
    path,
    plant: plant === undefined ? undefined : parsePlant(plant),
    cache: cache === undefined ? undefined : parseSwitch(cache),
    progress,
    trace,
  }
}

function isSuite(name: string | undefined): name is Suite {
  return SUITES.some((suite) => suite === name)
}

function parseNode(text: string): Runtime {
  const version = RUNTIMES.find((known) => String(known) === text)
  if (version === undefined) throw new Error(`--node must be one of ${RUNTIMES.join(', ')}, not ${text}`)
  return version
}

function parsePlant(text: string): NonNullable<Arguments['plant']> {
  const [what, at] = text.split('@')
  if ((what !== 'signal' && what !== 'error' && what !== 'leak') || at === undefined) {
    throw new Error(`--plant must be signal@N, error@N or leak@N, not ${text}`)
  }
  return { what, at: integer('--plant', at) }
}

function parseSwitch(text: string): boolean {
  if (text !== 'on' && text !== 'off') throw new Error(`--cache must be on or off, not ${text}`)
  return text === 'on'
}

function integer(name: string, text: string): number {
  if (!/^-?\d+$/.test(text)) throw new Error(`${name} must be an integer, not ${text}`)
  return Number(text)
}
