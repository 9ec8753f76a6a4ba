/** What more of everything costs: blocks, length, garbage; and what mallocAsync leaves of the event loop. */

import { MAIN, nameOf, runC, runSample, type Effort } from '../programs.js'
import { draw } from '../report/plot.js'
import { medianOf, spreadOf } from '../report/spread.js'
import { digits, size, table, time } from '../report/text.js'

const GROWN = 64 * 2 ** 20
const PLAN = {
  full: { counts: [10, 1000, 10_000, 100_000, 1_000_000], samples: 5, large: 4 * 2 ** 30 },
  quick: { counts: [10, 1_000_000], samples: 1, large: 2 ** 30 },
}

interface Kept {
  heapBytes: number
  residentBytes: number
  pause: number
}

export interface Scale {
  count: number
  few: number
  next: number
  blocks: Kept
  buffers: Kept
}

interface Resize {
  resized: number
  copied: number
}

interface Async {
  length: number
  took: number
  synchronous: number
  longestDelay: number
  p99: number
}

export interface Case {
  on: string
  scale: Scale[]
  garbage: Record<string, number>
  resize: Resize[]
  async: Async[]
}

/** See cold.ts: the host of a virtual machine may have taken the memory back. */
function warm(length: number): void {
  runC('best', length, 'warm')
}

export function measure(log: (line: string) => void, effort: Effort): Case[] {
  const { counts, samples, large } = PLAN[effort]
  const rounds = <T>(run: () => T): T[] => Array.from({ length: samples }, run)
  return MAIN.map((runtime) => {
    const result: Case = {
      on: nameOf(runtime),
      scale: counts.map((count) => runSample<Scale>(runtime, 'scale', count)),
      garbage: runSample<Record<string, number>>(runtime, 'garbage'),
      resize: rounds(() => (warm(4 * GROWN), runSample<Resize>(runtime, 'resize', GROWN))),
      async: rounds(
        () => (warm(large), { length: large, ...runSample<Omit<Async, 'length'>>(runtime, 'async', large) }),
      ),
    }
    log(`more: ${result.on}`)
    return result
  })
}

export function toMarkdown(cases: readonly Case[]): string {
  const lines = ['## As work grows', '', '![Time of malloc and free, against the blocks that are alive](scale.svg)', '']
  for (const { on, scale, garbage, resize, async } of cases) {
    lines.push(
      `### ${on}`,
      '',
      'The next `malloc(64).free()` while so many blocks of 64 bytes are alive; what each of them takes on the JavaScript',
      'heap and of resident memory; and the pause of a full collection, beside as many Buffers:',
      '',
      table(
        ['alive', 'malloc and free', 'before them', 'heap', 'resident', 'pause', 'pause with Buffers'],
        scale.map(({ count, few, next, blocks, buffers }) => [
          String(count),
          time(next),
          time(few),
          count < 10_000 ? '' : `${digits(blocks.heapBytes)} B`,
          count < 10_000 ? '' : `${digits(blocks.residentBytes)} B`,
          time(blocks.pause * 1e6),
          time(buffers.pause * 1e6),
        ]),
      ),
      '',
      'Garbage that one malloc and its free leave on the JavaScript heap, in such a loop: ' +
        `${Object.entries(garbage)
          .map(([length, bytes]) => `${digits(bytes)} bytes for ${size(Number(length))}`)
          .join(', ')}.`,
      '',
      `A block of ${size(GROWN)} that is filled grows to ${size(2 * GROWN)} in ` +
        `${time(medianOf(resize.map(({ resized }) => resized)))}; a new block and a copy take ` +
        `${time(medianOf(resize.map(({ copied }) => copied)))}. Medians of ${resize.length}.`,
      '',
      `mallocAsync makes ${size(async[0]!.length)} resident in ${digits(medianOf(async.map(({ took }) => took)))} ms, malloc in ${digits(medianOf(async.map(({ synchronous }) => synchronous)))} ms. The longest ` +
        `delay of the event loop meanwhile: ${delays(async)}.`,
      '',
    )
  }
  return lines.join('\n')
}

function delays(async: readonly Async[]): string {
  const { median, max } = spreadOf(async.map(({ longestDelay }) => longestDelay))
  return `${digits(median)} ms as the median of ${async.length}, ${digits(max)} ms at most`
}

export function toPlot(cases: readonly Case[], subtitle: string): string {
  return draw({
    title: 'Time of malloc(64) and free, against the blocks that are alive',
    subtitle,
    x: { title: 'blocks alive', log: 10 },
    y: { title: 'nanoseconds' },
    lines: cases.map(({ on, scale }, index) => ({
      who: 'cmalloc',
      name: `cmalloc (${on})`,
      dashed: index > 0,
      points: scale.map(({ count, next }) => [count, next]),
    })),
  })
}
