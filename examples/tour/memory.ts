/** The physical memory of this process, in bytes. */
export const residentSetSize = (): number => process.memoryUsage.rss()

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
