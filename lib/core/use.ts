import type { Bytes } from '../runtime/bytes.js'
import { disposeWhenUnpinned, Pin, type Pinnable } from './pin.js'

/**
 * Calls `work` with the bytes of a handle, which is pinned until `work` has returned or, if it returned a promise, until
 * that is settled; then the handle is disposed. The error of `work` wins over one of that end.
 */
export function usePinned<R>(handle: Pinnable, bytes: Bytes, work: (bytes: Bytes) => R): R {
  const pin = new Pin(handle)
  const end = (): void => {
    disposeWhenUnpinned(handle)
    pin.unpin()
  }
  let result: R
  try {
    result = work(bytes)
    if (isThenable(result)) return settle(result, end) as R
  } catch (error) {
    endBehind(end)
    throw error
  }
  end()
  return result
}

async function settle<T>(promise: PromiseLike<T>, end: () => void): Promise<T> {
  let value: T
  try {
    value = await promise
  } catch (error) {
    endBehind(end)
    throw error
  }
  end()
  return value
}

/** Ends it after an error of `work`, which is the one that the program gets. */
function endBehind(end: () => void): void {
  try {
    end()
  } catch {
    // The block is corrupt. The debug mode has reported that.
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}
