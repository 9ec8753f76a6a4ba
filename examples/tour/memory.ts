import { readFileSync } from 'node:fs'

/**
 * The physical memory of this process, in bytes. On Linux without the pages of files, such as the program's own code,
 * which the system drops and reads again as it likes.
 */
export function residentSetSize(): number {
  if (process.platform !== 'linux') return process.memoryUsage.rss()
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return kib === undefined ? process.memoryUsage.rss() : Number(kib) * 1024
}

/**
 * How far the memory of the process may be off: 2 % on Linux, where the kernel counts what is there. Other systems
 * compress pages or count them late.
 */
export const toleranceFor = (byteLength: number): number => byteLength * (process.platform === 'linux' ? 0.02 : 0.1)

/** Does something, and returns by how much the process has grown since. */
export function growthBy(action: () => void): number {
  const before = residentSetSize()
  action()
  return residentSetSize() - before
}
