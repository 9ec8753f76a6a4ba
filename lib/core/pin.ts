/// <reference lib="esnext.disposable" preserve="true" />

import { mapDelete, mapGet, mapSet, nextTick } from '../runtime/primordials.js'
import { keep } from '../runtime/thread.js'
import type { Wait } from './until.js'

/** What a pin needs of what it pins. */
export interface Pinnable extends Disposable {
  readonly freed: boolean
}

/**
 * The pinned handles: how many pins each has, and whether it is freed with the last of them. This map keeps a pinned
 * handle from being collected, even if nobody has this evaluation of cmalloc any more.
 */
const pins = new Map<Pinnable, { count: number; disposed: boolean }>()

/**
 * How many handles are in the map. Every `free` asks first whether it is 0. It is raised before a handle is added, and
 * lowered after it is removed: an interruption can leave it too high, which costs a look-up, and never too low.
 */
let pinnedHandles = 0

/**
 * Holds a block where it is, as long as C code or I/O in flight uses it. Pins nest: each counts.
 *
 * @see NativeBuffer.pin
 */
export class Pin implements Disposable {
  #handle: Pinnable | undefined
  #stopWaiting: (() => void) | undefined

  /** @internal */
  constructor(handle: Pinnable, wait?: Wait) {
    const held = mapGet(pins, handle)
    if (held === undefined) {
      if (pinnedHandles === 0) keep(pins)
      pinnedHandles += 1
      mapSet(pins, handle, { count: 1, disposed: false })
    } else {
      held.count += 1
    }
    this.#handle = handle
    if (wait !== undefined) this.#waitFor(wait)
  }

  /** Unpins the block; nothing if that was done already. */
  unpin(): void {
    const handle = this.#handle
    if (handle === undefined) return
    const held = mapGet(pins, handle)
    this.#handle = undefined
    this.#stopWaiting?.()
    if (held === undefined) return
    held.count -= 1
    if (held.count > 0) return
    mapDelete(pins, handle)
    pinnedHandles -= 1
    if (pinnedHandles === 0) keep(undefined)
    if (held.disposed) handle[Symbol.dispose]()
  }

  /** Unpins the block at the end of the scope of a `using` declaration. */
  [Symbol.dispose](): void {
    this.unpin()
  }

  #waitFor(wait: Wait): void {
    try {
      this.#stopWaiting = wait(() => this.#end())
    } catch (error) {
      this.unpin()
      throw error
    }
  }

  /** Unpins where nobody can catch what freeing the block throws: it becomes an uncaught error of the program. */
  #end(): void {
    try {
      this.unpin()
    } catch (error) {
      nextTick(() => {
        throw error
      })
    }
  }
}

export function isPinned(handle: Pinnable): boolean {
  return pinnedHandles > 0 && mapGet(pins, handle) !== undefined
}

/** Disposes a pinned handle with its last pin. */
export function disposeWhenUnpinned(handle: Pinnable): void {
  const held = mapGet(pins, handle)
  if (held !== undefined) held.disposed = true
}
