/** A request that is in flight for as long as a sequence wants: a read of a named pipe into which nobody writes. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, read, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OWN } from '../support/command.js'
import { IS_WINDOWS } from '../support/system.js'

/** Whether requests can be made that last, and cmalloc can see them. */
export const HAS_REQUESTS = OWN === undefined && !IS_WINDOWS

export interface Request {
  /** Lets it write that byte to where it began, and waits until it has. */
  complete(byte: number): Promise<void>
}

let pipe: number | undefined

/** The process has one: it is for both directions, so that opening it waits for nobody. */
function openPipe(): number {
  const folder = mkdtempSync(join(tmpdir(), 'cmalloc-model-'))
  const path = join(folder, 'fifo')
  try {
    spawnSync('mkfifo', [path])
    return openSync(path, 'r+')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Starts a read of one byte. There must be no other one. */
export function startRequest(bytes: Uint8Array): Request {
  const fd = (pipe ??= openPipe())
  const done = new Promise<void>((resolve, reject) =>
    read(fd, bytes, 0, 1, null, (error) => (error ? reject(error) : resolve())),
  )
  return {
    complete(byte) {
      writeSync(fd, Uint8Array.of(byte))
      return done
    },
  }
}
