/** The debug mode in JavaScript: the stacks of the calls that made a block and ended it, and the report at exit. */

import { dirname } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { debugMode, library, noteAllocation, reportAtExit, type Slot } from '../runtime/native.js'
import { process } from '../runtime/process.js'
import { isFirst, whenItEnds } from '../runtime/thread.js'
import { noteBlockLetGo } from './let-go-report.js'

/** Whether the debug mode is on: decided by `CMALLOC_DEBUG` and `DEBUG` as cmalloc is loaded for the first time. */
export const DEBUG: boolean = debugMode()

interface History {
  /** The stack of the block's allocation. */
  readonly allocated: string
  /** The stack of its first view. */
  viewed?: string
  /** The call that ended the handle. */
  ended?: { operation: string; stack: string }
}

/** Of each handle; only filled in the debug mode. */
const histories = new WeakMap<object, History>()

/** Notes where a new handle's block comes from. A block that had a handle before keeps the stack of that one. */
export function noteOrigin<T extends object>(handle: T, slot: Slot): T {
  const stack = callStack()
  histories.set(handle, { allocated: noteAllocation(slot, stack) ?? stack })
  return handle
}

/** Notes where the first view of a handle's block is made. */
export function noteFirstView(handle: object): void {
  const history = histories.get(handle)
  if (history !== undefined) history.viewed ??= callStack()
}

/** Notes that a call ended a handle, or moved its block, while a request was in flight that may be using the bytes. */
export function noteLetGo(handle: object, byteLength: number, operation: string): void {
  noteBlockLetGo(operation, byteLength, callStack(), histories.get(handle)?.viewed ?? NO_STACK)
}

/** Notes which call ended a handle. */
export function noteEnd(handle: object, operation: string): void {
  const history = histories.get(handle)
  if (history !== undefined) history.ended = { operation, stack: callStack() }
}

/** Gives the error for a handle that is gone its history as `cause`: the call that ended it, and the allocation. */
export function withHistory(error: Error, handle: object): Error {
  const { allocated, ended } = histories.get(handle) ?? {}
  if (allocated === undefined || ended === undefined) return error
  try {
    const origin = withStack('The block was allocated here', allocated)
    const end = withStack(`The block was given up here, by ${ended.operation}`, ended.stack)
    return setCause(error, setCause(end, origin))
  } catch {
    // The program's own way to make stacks threw.
    return error
  }
}

function withStack(message: string, stack: string): Error {
  return Object.defineProperty(new Error(message), 'stack', {
    value: `Error: ${message}\n${stack}`,
    configurable: true,
    writable: true,
  })
}

function setCause(error: Error, cause: Error): Error {
  return Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true })
}

/** Gives an error the place where something was made as its `cause`. */
export function withOrigin(error: Error, message: string, stack: string): Error {
  try {
    return setCause(error, withStack(message, stack))
  } catch {
    // The program's own way to make stacks threw.
    return error
  }
}

/** Where all of cmalloc's own code is, `dist/`: unless a bundler has put it among the program's. */
const OWN =
  typeof __dirname === 'string' && /[\\/](dist|lib)[\\/]core$/.test(__dirname) ? dirname(__dirname) : undefined

const NO_STACK = '    (there is no stack)'

/** The frames outside of cmalloc, a line each. */
export function callStack(): string {
  let stack: unknown
  try {
    // A program may have its own way to make stacks.
    stack = new Error().stack
  } catch {
    // Which may throw.
  }
  const lines = typeof stack === 'string' ? stack.split('\n').slice(1) : []
  const outside = lines.filter((line) => OWN === undefined || !line.includes(OWN))
  return outside.length > 0 ? outside.join('\n') : NO_STACK
}

// One report of each addon, however often this is evaluated.
if (DEBUG && isFirst(`report of ${library}`)) {
  whenItEnds(() => {
    const corrupted = reportAtExit(isMainThread)
    if (corrupted && !process.exitCode) process.exitCode = 1
  })
}
