/** What the headers of a Windows executable say. */

import type { Binary } from './binary.js'

const MACHINES: Record<number, string> = { 0x8664: 'x64', 0xaa64: 'arm64' }
const IMPORT_DESCRIPTOR_LENGTH = 20

export function readPe(file: Buffer): Binary {
  const header = file.readUInt32LE(0x3c)
  const optional = header + 24
  const sections = optional + file.readUInt16LE(header + 20)
  const count = file.readUInt16LE(header + 6)

  /** Where in the file the byte at an address is. */
  const place = (address: number): number => {
    for (let at = sections; at < sections + count * 40; at += 40) {
      const start = file.readUInt32LE(at + 12)
      const size = file.readUInt32LE(at + 16)
      if (address >= start && address < start + size) return address - start + file.readUInt32LE(at + 20)
    }
    throw new Error(`No section has the address ${address}`)
  }

  const libraries: string[] = []
  // The second directory of an image of 64 bits: what it imports.
  for (let at = place(file.readUInt32LE(optional + 112 + 8)); ; at += IMPORT_DESCRIPTOR_LENGTH) {
    const name = file.readUInt32LE(at + 12)
    if (name === 0) break
    libraries.push(file.toString('latin1', place(name), file.indexOf(0, place(name))).toLowerCase())
  }
  return { format: 'PE', arch: MACHINES[file.readUInt16LE(header + 4)], libraries, versions: [] }
}
