/** Numbers and tables as the reports write them. */

import { spreadOf } from './spread.js'

export function size(bytes: number): string {
  for (const [unit, name] of [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ] as const) {
    if (bytes >= unit) return `${bytes / unit} ${name}`
  }
  return `${bytes} B`
}

/** Three digits that count, in the unit that fits. */
export function time(nanoseconds: number): string {
  for (const [unit, name] of [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'µs'],
  ] as const) {
    if (nanoseconds >= unit) return `${digits(nanoseconds / unit)} ${name}`
  }
  return `${digits(nanoseconds)} ns`
}

/** For numbers that are round, as at an axis. */
export const roundTime = (nanoseconds: number): string => time(nanoseconds).replace(/\.0+ /, ' ')

export function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

/** The median, and between which values a half of all lie. */
export function spread(nanoseconds: readonly number[]): string {
  const { median, lowerQuartile, upperQuartile } = spreadOf(nanoseconds)
  return `${time(median)} (${time(lowerQuartile)} to ${time(upperQuartile)})`
}

/** Aligned as prettier aligns, so that a report is formatted as it is written. */
export function table(head: string[], rows: string[][]): string {
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(3, ...lines.map((line) => line[column]!.length)))
  const write = (cells: string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [write(head), write(widths.map((width) => '-'.repeat(width))), ...rows.map(write)].join('\n')
}
