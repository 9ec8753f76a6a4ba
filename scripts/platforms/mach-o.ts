/** What the headers of a Mach-O file say. */

import type { Binary } from './binary.js'

const MACHINES: Record<number, string> = { 0x0100_0007: 'x64', 0x0100_000c: 'arm64' }
// Loaded always, weakly, re-exported, or when first used.
const LOADS = new Set([0xc, 0x8000_0018, 0x8000_001f, 0x20, 0x8000_0023])

export function readMachO(file: Buffer): Binary {
  const libraries: string[] = []
  let at = 32
  for (let left = file.readUInt32LE(16); left > 0; left--) {
    if (LOADS.has(file.readUInt32LE(at))) {
      const name = at + file.readUInt32LE(at + 8)
      libraries.push(file.toString('latin1', name, file.indexOf(0, name)))
    }
    at += file.readUInt32LE(at + 4)
  }
  return { format: 'Mach-O', arch: MACHINES[file.readUInt32LE(4)], libraries, versions: [] }
}
