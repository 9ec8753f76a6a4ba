/** Waits for what a pin is held until: a promise, or a stream. */

import { invalidType } from '../runtime/errors.js'
import {
  apply,
  errorMonitor,
  finished,
  mapDelete,
  mapForEach,
  mapSet,
  PlainMap,
  nextTick,
  weakMapDelete,
  weakMapGet,
  weakMapSet,
} from '../runtime/primordials.js'

type Listen = (event: string, listener: (...args: any[]) => void) => unknown

/** A stream of Node: of a file, a socket, a request or response of HTTP, a compression. */
export type NodeStream = {
  /** As every stream of Node has it. */
  on(event: string, listener: (...args: any[]) => void): unknown
} & (
  | {
      /** As what can be read has it. */
      pipe(destination: any, options?: any): unknown
    }
  | {
      /** As what can be written to has it. */
      write(chunk: any, ...rest: any[]): unknown
    }
)

/** A stream of the web. */
export type WebStream = {
  /** As every stream of the web has it. */
  readonly locked: boolean
} & (
  | {
      /** As what can be read has it. */
      getReader(): unknown
      /** Likewise. */
      cancel(reason?: unknown): Promise<void>
    }
  | {
      /** As what can be written to has it. */
      getWriter(): unknown
      /** Likewise. */
      abort(reason?: unknown): Promise<void>
    }
)

/**
 * How long a pin is held: until a promise is fulfilled or rejected, or until a stream is over, which means finished, at
 * its end, closed, or after an error. What never comes to an end pins the block for ever.
 *
 * To pin is not to handle. An `'error'` of a stream that nobody handles still ends the program. A promise counts as
 * handled, as nothing can look at one otherwise: `await` it too, or nobody is told why it was rejected.
 */
export type PinUntil = PromiseLike<unknown> | NodeStream | WebStream

/** Calls `over` once it is over, later than now. Returns what stops waiting. */
export type Wait = (over: () => void) => () => void

const nothing = (): void => {}

/**
 * How to wait for what a pin is to be held until.
 *
 * @throws `ERR_INVALID_ARG_TYPE`
 */
export function checkUntil(until: unknown): Wait {
  if ((typeof until !== 'object' && typeof until !== 'function') || until === null) throw wrong(until)
  const { then } = until as { then?: unknown }
  if (typeof then === 'function') return (over) => waitForPromise(until, then as Then, over)
  return (over) => waitForStream(until, over)
}

type Then = (this: object, fulfilled: () => void, rejected: () => void) => unknown

/** `over` is both handlers, so that there is no promise in between that is rejected, and that nobody handles. */
function waitForPromise(promise: object, then: Then, over: () => void): () => void {
  apply(then, promise, [over, over])
  return nothing
}

/** Everybody who waits for one stream, so that it has the listeners of one, however many blocks are written to it. */
interface Watch {
  readonly waiting: Map<object, () => void>
  count: number
  isOver: boolean
  stop: () => void
}

const watches = new WeakMap<object, Watch>()

function waitForStream(stream: object, over: () => void): () => void {
  const watch = weakMapGet(watches, stream) ?? watchStream(stream)
  if (watch.isOver) {
    nextTick(over)
    return nothing
  }
  const token = {}
  mapSet(watch.waiting, token, over)
  watch.count += 1
  return () => {
    if (!mapDelete(watch.waiting, token)) return
    watch.count -= 1
    if (watch.count === 0) stopWatching(stream, watch)
  }
}

function watchStream(stream: object): Watch {
  const watch: Watch = { waiting: new PlainMap(), count: 0, isOver: false, stop: nothing }
  const over = (): void => {
    if (watch.isOver) return
    watch.isOver = true
    stopWatching(stream, watch)
    mapForEach(watch.waiting, (end, token) => {
      mapDelete(watch.waiting, token)
      end()
    })
  }
  watch.stop = listen(stream, over)
  if (!watch.isOver) weakMapSet(watches, stream, watch)
  return watch
}

function stopWatching(stream: object, watch: Watch): void {
  weakMapDelete(watches, stream)
  watch.stop()
}

/** Hears of the end of a stream, and of an error, without handling it: one that nobody handles still ends the program. */
function listen(stream: object, over: () => void): () => void {
  let stop: () => void
  try {
    stop = finished(stream, { error: false }, over)
  } catch {
    throw wrong(stream)
  }
  const { on, removeListener } = stream as { on?: Listen; removeListener?: Listen }
  if (typeof on !== 'function' || typeof removeListener !== 'function') return stop
  apply(on, stream, [errorMonitor, over])
  return () => {
    stop()
    apply(removeListener, stream, [errorMonitor, over])
  }
}

function wrong(until: unknown): Error {
  const right = 'a promise, as in pin(file.read(block.bytes)), or a stream, as in pin(response); or be left out'
  return invalidType('until', right, until)
}
