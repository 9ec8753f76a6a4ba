import { writeSync } from 'node:fs'
import { encodeUtf8, now, typedArray } from './primordials.js'

const STANDARD_ERROR = 2

/** How often a pipe that is full is tried again, a millisecond each. */
const TRIES = 2000

/** Waits for a millisecond, also in a context that has nothing to wait with. */
function pause(): void {
  if (typeof SharedArrayBuffer === 'function') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
  else for (const end = now() + 1; now() < end;);
}

/** Writes to standard error before it returns, as the binding does: a thread's or an exiting process's stream might not. */
export function report(text: string): void {
  const bytes = encodeUtf8(`cmalloc: ${text}\n`)
  const length = typedArray.byteLengthOf(bytes)
  for (let written = 0, tries = 0; written < length && tries < TRIES;) {
    try {
      written += writeSync(STANDARD_ERROR, bytes, written)
    } catch (error) {
      // The runtime makes pipes non-blocking.
      if ((error as { code?: unknown }).code !== 'EAGAIN') return
      tries += 1
      pause()
    }
  }
}
