import type { AllocatedBuffer, Allocator } from '../core/allocator.js'
import { addressIfLive, isNativeBuffer } from '../core/native-buffer.js'
import { revealed } from '../core/other.js'
import { assign, typedArray } from '../runtime/primordials.js'
import { process } from '../runtime/process.js'

/** What a death stub is told of the manager that ends. */
export interface Death {
  /** Where the memory is, for as long as the stub runs. */
  address: bigint
  /** The length of the memory in bytes. */
  bufferSize: number
  /** The size of an element in bytes. */
  elementSize: number
  /** The number of elements. */
  elementCount: number
  /** The number of the manager. */
  identifier: number
}

/** Is called once, before the memory of its manager goes. What it throws does not keep the memory. */
export type DeathStub = (death: Death) => void

/** What must be done at the end of a manager's memory. */
export interface Cleanup {
  readonly allocator: Allocator
  readonly buffer: AllocatedBuffer
  readonly death: Death
  /** Until it was called. */
  stub: DeathStub | undefined
}

/** What a stub threw, which may be anything. */
export interface Thrown {
  readonly error: unknown
}

/** Calls a death stub, if that was not done before. */
export function callStub(cleanup: Cleanup): Thrown | undefined {
  const { stub } = cleanup
  if (stub === undefined) return undefined
  // Before it is called: it may come back here, or end the process.
  cleanup.stub = undefined
  try {
    stub({ ...cleanup.death })
    return undefined
  } catch (error) {
    return { error }
  }
}

/** Calls the stub and frees the buffer, unless it is gone, where nobody can catch what they throw. */
export function runCleanup(cleanup: Cleanup, atExit: boolean): void {
  const { address, identifier } = cleanup.death
  const thrown = callStub(cleanup)
  if (thrown !== undefined) warnOfStub(identifier, thrown, atExit)
  if (hasEnded(cleanup.buffer, address)) return
  try {
    cleanup.allocator.free(cleanup.buffer)
  } catch (error) {
    const message = `The buffer of the MemManager with the identifier ${identifier} could not be freed`
    warn('CMALLOC_FREE_THREW', message, error, atExit)
  }
}

/** Says what a death stub threw. */
export function warnOfStub(identifier: number, { error }: Thrown, atExit: boolean): void {
  const message = `The death stub of the MemManager with the identifier ${identifier} threw. Its memory is freed all the same`
  warn('CMALLOC_DEATH_STUB_THREW', message, error, atExit)
}

function warn(code: string, message: string, error: unknown, atExit: boolean): void {
  try {
    const detail = textOf(error)
    // emitWarning() waits for the next tick, which does not come any more.
    if (atExit) process.emit('warning', assign(new Error(message), { name: 'Warning', code, detail }))
    else process.emitWarning(message, { code, detail })
  } catch {
    // A program's own way to warn threw: there is nobody left to tell.
  }
}

function textOf(error: unknown): string {
  return error instanceof Error && typeof error.stack === 'string' ? error.stack : String(error)
}

/** Whether a buffer that is still there has no memory any more, or has it elsewhere. */
export function hasEnded(buffer: AllocatedBuffer, address: bigint): boolean {
  if (isNativeBuffer(buffer)) return addressIfLive(buffer) !== address
  const other = revealed(buffer)
  if (other !== undefined) return other.addressIfLive() !== address
  try {
    return (buffer as { freed?: unknown }).freed === true || typedArray.byteLengthOf(buffer.bytes) === 0
  } catch (error) {
    return (error as { code?: unknown } | undefined)?.code === 'ERR_CMALLOC_FREED'
  }
}
