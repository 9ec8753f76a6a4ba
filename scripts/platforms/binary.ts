/** What a binary says of itself, whatever the system that it is for. */

import { readElf } from './elf.js'
import { readMachO } from './mach-o.js'
import { readPe } from './pe.js'

export interface Binary {
  format: 'ELF' | 'PE' | 'Mach-O'
  /** `undefined` if it is for a processor that cmalloc does not know. */
  arch: string | undefined
  /** The libraries that it needs. */
  libraries: string[]
  /** The versions of symbols that it needs of them (ELF). */
  versions: string[]
}

export function readBinary(file: Buffer): Binary {
  if (file.readUInt32BE(0) === 0x7f45_4c46) return readElf(file)
  if (file.readUInt16BE(0) === 0x4d5a) return readPe(file)
  if (file.readUInt32LE(0) === 0xfeed_facf) return readMachO(file)
  throw new Error('It is neither ELF nor PE nor Mach-O')
}
