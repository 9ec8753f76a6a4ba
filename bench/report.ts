import { arch, cpus, release, totalmem, type } from 'node:os'
import { CMALLOC, KOFFI } from './contenders.js'
import type { Spread } from './spread.js'

export interface Peer {
  name: string
  /** Nanoseconds for one cycle: those that processors worked, and those that passed. */
  cpu: Spread
  wall: Spread
}

export interface Comparison {
  byteLength: number
  iterations: number
  rounds: number
  peers: Peer[]
}

export interface Measurement {
  node: string
  cmalloc: string
  koffi: string
  comparisons: Comparison[]
}

/** Koffi by whichever of its ways was the fastest. */
function fastestKoffi({ peers }: Comparison): Peer {
  const [first, ...others] = peers.filter((peer) => KOFFI.some((name) => name === peer.name))
  return others.reduce((best, peer) => (peer.cpu.median < best.cpu.median ? peer : best), first!)
}

const ofCmalloc = ({ peers }: Comparison): Peer => peers.find((peer) => peer.name === CMALLOC)!

/** Whether cmalloc beats koffi at the size that counts, which is the first. */
export function isFaster({ comparisons: [first] }: Measurement): boolean {
  return ofCmalloc(first!).cpu.median < fastestKoffi(first!).cpu.median
}

function ratio(comparison: Comparison): string {
  return (fastestKoffi(comparison).cpu.median / ofCmalloc(comparison).cpu.median).toFixed(2)
}

function machine(): string {
  const [cpu] = cpus()
  const gigabytes = Math.round(totalmem() / 2 ** 30)
  return `${cpu?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, ${gigabytes} GiB, ${type()} ${release()} ${arch()}`
}

function sizeOf(byteLength: number): string {
  if (byteLength < 1024) return `${byteLength} bytes`
  return byteLength < 2 ** 20 ? `${byteLength / 1024} KiB` : `${byteLength / 2 ** 20} MiB`
}

const show = (value: number): string => value.toFixed(value < 1000 ? 1 : 0)

const HEADER = ['what', 'median ns', 'quartiles', 'min to max', 'wall clock']

function rowsOf({ peers }: Comparison): string[][] {
  return peers.map(({ name, cpu, wall }) => [
    name,
    show(cpu.median),
    `${show(cpu.lowerQuartile)} to ${show(cpu.upperQuartile)}`,
    `${show(cpu.min)} to ${show(cpu.max)}`,
    show(wall.median),
  ])
}

function verdict(comparison: Comparison): string {
  return `koffi's fastest way takes ${ratio(comparison)} times as long as cmalloc`
}

const titleOf = ({ byteLength, rounds, iterations }: Comparison): string =>
  `${sizeOf(byteLength)}: ${rounds} rounds of ${iterations} cycles`

/** For a terminal. */
export function toText(measurement: Measurement): string {
  const { node, cmalloc, koffi, comparisons } = measurement
  const lines = [`\nNode ${node}, cmalloc ${cmalloc}, koffi ${koffi}; ${machine()}`]
  for (const comparison of comparisons) {
    const rows = [HEADER, ...rowsOf(comparison)]
    const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
    lines.push(`  ${titleOf(comparison)}`)
    for (const row of rows)
      lines.push(`    ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd())
    lines.push(`    ${verdict(comparison)}`)
  }
  return lines.join('\n')
}

/** For the repository. */
export function toMarkdown(measurements: readonly Measurement[]): string {
  const lines = [
    '# malloc and free: how long they take together',
    '',
    'Made by `npm run bench`. The first table of each Node is the claim: a block of 64 bytes is allocated and freed by',
    "cmalloc faster than by koffi. The larger sizes are for information: cmalloc's blocks are resident, the others are",
    'not touched. `Buffer.allocUnsafeSlow` leaves the freeing to the garbage collector.',
    '',
    'All are nanoseconds for one cycle. What counts is the time that the processors worked for the process, garbage',
    'collection included; "wall clock" is the median of the time that passed, which other programs make longer.',
    '',
    `- date: ${new Date().toISOString().slice(0, 10)}`,
    `- machine: ${machine()}`,
    '',
  ]
  for (const measurement of measurements) {
    lines.push(`## Node ${measurement.node}, cmalloc ${measurement.cmalloc}, koffi ${measurement.koffi}`, '')
    for (const comparison of measurement.comparisons) {
      lines.push(`### ${titleOf(comparison)}`, '', ...markdownTable([HEADER, ...rowsOf(comparison)]), '')
      lines.push(`${verdict(comparison)}.`.replace(/^k/, 'K'), '')
    }
  }
  return lines.join('\n')
}

/** Aligned as prettier aligns, so that the report is formatted as it is written. */
function markdownTable(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(3, ...rows.map((row) => row[column]!.length)))
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  const rule = line(widths.map((width) => '-'.repeat(width)))
  return rows.flatMap((row, position) => (position === 0 ? [line(row), rule] : [line(row)]))
}
