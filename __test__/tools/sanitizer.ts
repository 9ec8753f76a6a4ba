/** The addon with AddressSanitizer, and what a process needs to run with it. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { ROOT } from '../support/run.js'
import { build, notRun } from './build.js'

const LOGS = join(ROOT, 'target/asan/log')

/** Builds the addon with AddressSanitizer. Returns its path. */
export function buildWithAsan(): string {
  return build({
    name: 'asan',
    target: 'x86_64-unknown-linux-gnu',
    // The sanitizer is not stable in Rust, but there in each of its compilers.
    env: {
      RUSTC_BOOTSTRAP: '1',
      RUSTFLAGS: '-Zsanitizer=address',
      CARGO_PROFILE_RELEASE_DEBUG: 'line-tables-only',
    },
  })
}

/** The environment of a process that runs with the sanitizer, and all of its children. */
export function environment(addon: string, options: Record<string, string | number>): Record<string, string> {
  const asan = {
    exitcode: 99,
    // Beside the exit code, which a program may hide, and its parent not look at.
    log_path: join(LOGS, 'report'),
    allocator_may_return_null: 1,
    // Memory that was freed is kept so that its use is seen. Less than usual, as tests look at how much there is.
    quarantine_size_mb: 16,
    // The runtime is not built with the sanitizer: what it reads after the end must be seen by what it reads.
    max_free_fill_size: 2 ** 24,
    free_fill_byte: 0xdd,
    ...options,
  }
  return {
    // What a cache keeps is not freed, so that a use of it would not be seen.
    CMALLOC_CACHE: '0',
    LD_PRELOAD: runtime(),
    NAPI_RS_NATIVE_LIBRARY_PATH: addon,
    ASAN_OPTIONS: Object.entries(asan)
      .map(([name, value]) => `${name}=${value}`)
      .join(':'),
  }
}

export function clearReports(): void {
  rmSync(LOGS, { recursive: true, force: true })
  mkdirSync(LOGS, { recursive: true })
}

/** What the sanitizer has found since `clearReports`, in whichever process. */
export function reports(): string[] {
  return readdirSync(LOGS).map((file) => readFileSync(join(LOGS, file), 'utf8'))
}

/** gcc's runtime of the sanitizer: Rust has one for programs only, and Node is none of Rust's. */
function runtime(): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') notRun('AddressSanitizer is set up for Linux x64 only')
  const file = spawnSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout?.trim() ?? ''
  if (!isAbsolute(file)) notRun('there is no gcc with its libasan')
  return file
}
