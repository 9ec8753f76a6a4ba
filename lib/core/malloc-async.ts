import { aborted, invalidType, invalidValue } from '../runtime/errors.js'
import { IncrementalBlock } from '../runtime/native.js'
import { mustBeOptions, surplus } from '../runtime/mistakes.js'
import { blockLength, type Usage } from '../runtime/validate.js'
import { givingUp } from './cache.js'
import { checkOptionalInit, fillByte, type CheckedInit, type Init } from './init.js'
import { createHandle, type NativeBuffer } from './native-buffer.js'
import { checkMallocOptions, type MallocOptions } from './options.js'
import { adoptIntoCell } from './slots.js'

/** How far an allocation is. */
export interface Progress {
  /** The bytes that are resident so far. */
  residentBytes: number
  /** The bytes that will be. */
  byteLength: number
}

/** How far to go, whom to tell, and what is special about the block: all that `malloc` offers but `lazy`. */
export interface MallocAsyncOptions extends Omit<MallocOptions, 'lazy'> {
  /** Ends the allocation when it is aborted. Any object with an `aborted` will do, as for the functions of `node:fs`. */
  signal?: AbortSignal | undefined
  /** Is called after each step. If it throws, the allocation ends with that error. */
  onProgress?: ((progress: Progress) => void) | undefined
}

const OPTIONS = ['signal', 'onProgress', 'align', 'secure', 'lazy'] as const

const USAGE: Usage = {
  init: "mallocAsync(count, 1, 'zero')",
  options: 'mallocAsync(count, 1, undefined, { signal })',
}

/** What is made resident at once: some milliseconds, in which other work can wait for a thread of the pool. */
const STEP = 32 * 2 ** 20

/** One step at a time, so that the rest of the thread pool is free: the end of the last one that was asked for. */
let lastStep: Promise<void> | undefined

/**
 * Allocates like {@link malloc}, but touches the pages in the thread pool, step by step, so that the event loop goes
 * on meanwhile.
 *
 * Several allocations at once take turns, and never keep more than one thread of the pool busy.
 *
 * @param count - the number of elements, an integer from 1
 * @param size - the size of an element in bytes, an integer from 1; 1 if omitted
 * @param init - what the block is filled with; if omitted, the bytes hold anything. A `Uint8Array` is copied at once
 * @param options - a signal that aborts it, a function that is told of its progress, and `align` and `secure` as for
 * {@link malloc}
 * @returns a promise of the handle, every page of its block resident; it is rejected with what `malloc` throws, and
 * with an `AbortError` if the signal was aborted. The memory is given back before it is rejected
 *
 * @example
 * ```ts
 * using block = await mallocAsync(4 * 2 ** 30, 1, 'zero', {
 *   signal: AbortSignal.timeout(10_000),
 *   onProgress: ({ residentBytes, byteLength }) => console.log(residentBytes / byteLength),
 * })
 * ```
 */
export async function mallocAsync(
  count: number,
  size: number = 1,
  init?: Init,
  options: MallocAsyncOptions = {},
): Promise<NativeBuffer> {
  if (arguments.length > 4) throw surplus('mallocAsync(count, size, init, options)', arguments.length)
  const byteLength = blockLength(count, size, USAGE)
  const checked = checkOptionalInit(init, byteLength, USAGE)
  const { signal, onProgress, special } = checkOptions(options, checked)
  throwIfAborted(signal)
  const pattern = typeof checked === 'number' ? undefined : checked
  const incremental = givingUp(
    () => new IncrementalBlock(byteLength, fillByte(checked), pattern, special?.align, special?.secure),
  )
  try {
    let residentBytes = 0
    while (residentBytes < byteLength) {
      lastStep = takeTurn(lastStep, incremental, signal)
      // oxlint-disable-next-line no-await-in-loop -- steps come one after the other
      await lastStep
      residentBytes = incremental.residentBytes()
      throwIfAborted(signal)
      onProgress?.({ residentBytes, byteLength })
      throwIfAborted(signal)
    }
    return createHandle(adoptIntoCell(incremental))
  } finally {
    // Of a block that was adopted nothing is left.
    incremental.cancel()
  }
}

/** Makes a step after the one before, unless it was aborted meanwhile. Never rejected: others wait for it. */
async function takeTurn(
  before: Promise<void> | undefined,
  incremental: IncrementalBlock,
  signal: AbortSignal | undefined,
): Promise<void> {
  await before
  try {
    if (signal?.aborted) return
  } catch {
    // It is asked again.
    return
  }
  await incremental.step(STEP)
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal.reason)
}

function checkOptions(options: unknown, init: CheckedInit) {
  mustBeOptions(options, 'mallocAsync()', OPTIONS)
  const { signal, onProgress, align, lazy, secure } = options as Record<
    keyof MallocAsyncOptions | keyof MallocOptions,
    unknown
  >
  if (signal !== undefined && !isAbortSignal(signal)) throw invalidType('options.signal', 'an AbortSignal', signal)
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw invalidType('options.onProgress', 'a function', onProgress)
  if (lazy !== undefined && lazy !== false)
    throw invalidValue('mallocAsync() makes pages resident. For a block that is lazy, use malloc()')
  const special = checkMallocOptions({ align, secure }, init)
  return { signal, onProgress: onProgress as MallocAsyncOptions['onProgress'], special }
}

/** As the functions of Node see it: jsdom and others have signals of their own. */
function isAbortSignal(value: unknown): value is AbortSignal {
  return typeof value === 'object' && value !== null && 'aborted' in value
}
