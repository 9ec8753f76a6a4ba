/** What the headers of an ELF file say. */

import type { Binary } from './binary.js'

const MACHINES: Record<number, string> = { 62: 'x64', 183: 'arm64' }
const SECTION = { dynamic: 6, neededVersions: 0x6fff_fffe }
const NEEDED = 1n

interface Section {
  type: number
  offset: number
  size: number
  link: number
}

export function readElf(file: Buffer): Binary {
  const sections = readSections(file)
  const strings = ({ link }: Section) => {
    const table = sections[link]!
    return (at: number) => file.toString('latin1', table.offset + at, file.indexOf(0, table.offset + at))
  }
  const libraries: string[] = []
  const versions: string[] = []
  for (const section of sections) {
    const text = section.type === SECTION.dynamic || section.type === SECTION.neededVersions ? strings(section) : String
    if (section.type === SECTION.dynamic) {
      for (let at = section.offset; at < section.offset + section.size; at += 16) {
        if (file.readBigUInt64LE(at) === NEEDED) libraries.push(text(Number(file.readBigUInt64LE(at + 8))))
      }
    } else if (section.type === SECTION.neededVersions) {
      versions.push(...readVersions(file, section, text))
    }
  }
  return { format: 'ELF', arch: MACHINES[file.readUInt16LE(18)], libraries, versions }
}

function readSections(file: Buffer): Section[] {
  const start = Number(file.readBigUInt64LE(0x28))
  const length = file.readUInt16LE(0x3a)
  return Array.from({ length: file.readUInt16LE(0x3c) }, (_, index) => {
    const at = start + index * length
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 0x18)),
      size: Number(file.readBigUInt64LE(at + 0x20)),
      link: file.readUInt32LE(at + 0x28),
    }
  })
}

/** The versions of symbols that are needed of libraries: a list of libraries, and for each a list of versions. */
function readVersions(file: Buffer, { offset }: Section, text: (at: number) => string): string[] {
  const versions: string[] = []
  for (let library = offset, more = 1; more !== 0; library += more) {
    let version = library + file.readUInt32LE(library + 8)
    for (let left = file.readUInt16LE(library + 2); left > 0; left--) {
      versions.push(text(file.readUInt32LE(version + 8)))
      version += file.readUInt32LE(version + 12)
    }
    more = file.readUInt32LE(library + 12)
  }
  return versions
}
