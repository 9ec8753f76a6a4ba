/// <reference lib="esnext.disposable" preserve="true" />

import { mapDelete, mapGet, mapSet, queueMicrotask } from '../runtime/primordials.js'
import type { Wait } from './until.js'

/** What a pin needs of what it pins. */
export interface Pinnable extends Disposable {
  readonly freed: boolean
}

/**
 * The handles that are pinned: how often, and whether they are to be freed with their last pin. Being in here is
 * also what keeps a pinned handle from being collected.
 */
const pins = new Map<Pinnable, { count: number; disposed: boolean }>()

/**
 * How many there are: none is what every `free` asks for first. Counted before a handle is in the map and after it is
 * out of it, so that an interruption leaves a number that is too high, which costs a look, and never one too low.
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
      pinnedHandles += 1
      mapSet(pins, handle, { count: 1, disposed: false })
    } else {
      held.count += 1
    }
    this.#handle = handle
    if (wait !== undefined) this.#waitFor(wait)
  }

  /** Lets go of the block; nothing if it did already. */
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
    if (held.disposed) handle[Symbol.dispose]()
  }

  /** Lets go of the block at the end of the scope of a `using` declaration. */
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

  /** Lets go where nobody can catch what the end of the block throws: it ends the program, as what nobody catches. */
  #end(): void {
    try {
      this.unpin()
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

export function isPinned(handle: Pinnable): boolean {
  return pinnedHandles > 0 && mapGet(pins, handle) !== undefined
}

/** Disposes a pinned handle as soon as its last pin goes. */
export function disposeWhenUnpinned(handle: Pinnable): void {
  const held = mapGet(pins, handle)
  if (held !== undefined) held.disposed = true
}
