/** The timer that frees what a pool has retained for too long. */

import type { BlockPool } from '../runtime/native.js'
import { ceil, clearInterval, deref, setInterval, unref, WeakReference, type Timer } from '../runtime/primordials.js'

/** How often it is looked within the time that a block may idle. */
const LOOKS = 4

/**
 * Returns what is to be called whenever the pool hands out a block: from then on it is looked for what has been
 * retained for so many milliseconds, until the pool has nothing left, retained or alive. The timer keeps neither the
 * process alive nor the pool.
 */
export function watchIdle(pool: BlockPool, milliseconds: number): () => void {
  const weak = new WeakReference(pool)
  let timer: Timer | undefined
  const look = (): void => {
    const watched = deref(weak)
    watched?.releaseIdle(milliseconds)
    if (watched !== undefined && !watched.idle) return
    clearInterval(timer)
    timer = undefined
  }
  return () => {
    if (timer !== undefined) return
    timer = setInterval(look, ceil(milliseconds / LOOKS))
    unref(timer)
  }
}
