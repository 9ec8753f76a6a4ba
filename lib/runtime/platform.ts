import { readFileSync } from 'node:fs'
import { process } from './process.js'

/** The platforms that there are packages for: the folders of `npm/`. A spec checks that they are the same. */
export const SUPPORTED: readonly string[] = [
  'darwin-arm64',
  'darwin-x64',
  'freebsd-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-arm64-msvc',
  'win32-x64-msvc',
]

export interface Platform {
  /** As napi-rs names it. Its package is `cmalloc-` and this name. */
  name: string
  os: string
  cpu: string
  /** On Linux only. */
  libc: 'glibc' | 'musl' | undefined
}

/** The platform of this process. */
export function platform(): Platform {
  const { platform: os, arch: cpu } = process
  const libc = os === 'linux' ? libcOfProcess() : undefined
  const abi = { glibc: '-gnu', musl: '-musl', none: os === 'win32' ? '-msvc' : '' }[libc ?? 'none']
  return { name: `${os}-${cpu}${abi}`, os, cpu, libc }
}

interface Report {
  excludeNetwork: boolean
  getReport(): { header?: { glibcVersionRuntime?: string } }
}

function libcOfProcess(): 'glibc' | 'musl' {
  try {
    // A report takes some milliseconds. Not every system has this file.
    return readFileSync('/usr/bin/ldd', 'utf8').includes('musl') ? 'musl' : 'glibc'
  } catch {
    return libcOfReport(process.report as unknown as Report | undefined)
  }
}

function libcOfReport(report: Report | undefined): 'glibc' | 'musl' {
  // Some runtimes have no reports.
  if (report === undefined) return 'glibc'
  const before = report.excludeNetwork
  // Else it looks up the names of all hosts that the process is connected to.
  report.excludeNetwork = true
  try {
    return report.getReport().header?.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
  } finally {
    report.excludeNetwork = before
  }
}
