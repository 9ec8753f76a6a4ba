/** What a binary says of itself, whatever the system that it is for: LIEF reads it. */

import { lief } from './pypi.js'
import { must } from './tools.js'

export interface Binary {
  format: 'ELF' | 'PE' | 'Mach-O'
  /** `x64`, `arm64`, or what LIEF calls another processor. */
  arch: string
  /** The libraries that it needs. */
  libraries: string[]
  /** The versions of symbols that it needs of them (ELF). */
  versions: string[]
}

const READ = `
import json, lief, sys
lief.logging.disable()
binary = lief.parse(sys.argv[1])
processor = binary and binary.abstract.header.architecture
print(json.dumps(binary and {
  'format': binary.format.name.replace('MACHO', 'Mach-O'),
  'arch': {'X86_64': 'x64', 'ARM64': 'arm64'}.get(processor.name, processor.name),
  'libraries': [getattr(library, 'name', library) for library in binary.libraries],
  'versions': [each.name for library in getattr(binary, 'symbols_version_requirement', [])
               for each in library.get_auxiliary_symbols()],
}))
`

export function readBinary(path: string): Binary {
  const binary = JSON.parse(must(lief(), ['-c', READ, path])) as Binary | null
  if (binary === null) throw new Error(`${path} is neither ELF nor PE nor Mach-O`)
  return binary
}
