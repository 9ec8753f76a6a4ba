import { assign } from './primordials.js'

/** Every code that an error of cmalloc has as its `code` property. `docs/reference/errors.md` says which class each has, and when. */
export type ErrorCode =
  | 'ERR_INVALID_ARG_TYPE'
  | 'ERR_INVALID_ARG_VALUE'
  | 'ERR_OUT_OF_RANGE'
  | 'ERR_ILLEGAL_CONSTRUCTOR'
  | 'ERR_INVALID_STATE'
  | 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM'
  | 'ERR_CMALLOC_OUT_OF_MEMORY'
  | 'ERR_CMALLOC_LOCK_LIMIT'
  | 'ERR_CMALLOC_FREED'
  | 'ERR_CMALLOC_PINNED'
  | 'ERR_CMALLOC_ESCAPED'
  | 'ERR_CMALLOC_ALREADY_OWNED'
  | 'ERR_CMALLOC_NO_EXTERNAL_BUFFERS'
  | 'ERR_CMALLOC_SECURE'
  | 'ERR_CMALLOC_BAD_TICKET'
  | 'ERR_CMALLOC_CORRUPTED'
  | 'ERR_CMALLOC_NO_BINDING'
  | 'ABORT_ERR'

type ErrorClass = new (message: string) => Error

// Own properties, like those of the errors that the native binding throws.
function create(Class: ErrorClass, code: ErrorCode, message: string): Error {
  return assign(new Class(message), { code })
}

/** An argument of the wrong type: says what was expected, what came, and perhaps what to do. */
export function invalidType(name: string, expected: string, value: unknown, advice?: string): Error {
  const message = `${name} must be ${expected}. Received ${describe(value)}`
  return create(TypeError, 'ERR_INVALID_ARG_TYPE', advice === undefined ? message : `${message}. ${advice}`)
}

/** Something that is used as what it is not. */
export function wrongUse(message: string): Error {
  return create(TypeError, 'ERR_INVALID_ARG_TYPE', message)
}

/** An argument of the right type with a value that makes no sense. */
export function invalidValue(message: string): Error {
  return create(TypeError, 'ERR_INVALID_ARG_VALUE', message)
}

/** A number out of its range: says which range, and what came. */
export function outOfRange(name: string, range: string, value: unknown): Error {
  return create(RangeError, 'ERR_OUT_OF_RANGE', `${name} must be ${range}. Received ${describe(value)}`)
}

/** A handle of a second copy of cmalloc in the process, whose tickets are of no use here. */
export function otherCopy(operation: string): Error {
  return invalidValue(
    `Cannot ${operation}: this NativeBuffer is of another copy of cmalloc, whose blocks and tickets this one does not ` +
      "know. Use that copy's functions; or release() the buffer there, and consume() the address here",
  )
}

export function illegalConstructor(
  what = 'A NativeBuffer',
  makers = 'malloc(), consume() or NativeBuffer.from()',
): Error {
  return create(TypeError, 'ERR_ILLEGAL_CONSTRUCTOR', `${what} is made by ${makers}, not by its constructor`)
}

const GONE =
  'the block of this NativeBuffer is gone. It was freed, released, consumed or handed over before: CMALLOC_DEBUG=1 ' +
  'shows where'

/** The use of something that is gone. `what` says what, and why it may be gone. */
export function freed(operation: string, what: string = GONE): Error {
  return create(Error, 'ERR_CMALLOC_FREED', `Cannot ${operation}: ${what}`)
}

/** The same for something that can only have been freed. */
export function freedBefore(operation: string, what: string): Error {
  return freed(operation, `the memory of this ${what} was freed before`)
}

/** An `ArrayBuffer` whose bytes somebody moved away. */
export function escaped(operation: string): Error {
  return create(
    Error,
    'ERR_CMALLOC_ESCAPED',
    `Cannot ${operation}: the ArrayBuffer was transferred or detached, so that its bytes are elsewhere`,
  )
}

/** The runtime refused the memory, or the machine does not have it. */
export function outOfMemory(byteLength: number, reason: string): Error {
  return create(
    RangeError,
    'ERR_CMALLOC_OUT_OF_MEMORY',
    `Cannot allocate ${byteLength} bytes: ${reason}. Ask for less, or free other buffers first`,
  )
}

/** Memory that is managed already. `range` and `managed` are descriptions of addresses. */
export function alreadyManaged(range: string, managed: string, identifier: number): Error {
  return create(
    Error,
    'ERR_CMALLOC_ALREADY_OWNED',
    `Cannot manage ${range}: they overlap ${managed}, which the MemManager with the identifier ${identifier} has. ` +
      'Free that one first',
  )
}

export function pinned(
  operation: string,
  what: string = 'this NativeBuffer is pinned, as C code or I/O may be using its block. Call unpin() of its pins first',
): Error {
  return create(Error, 'ERR_CMALLOC_PINNED', `Cannot ${operation}: ${what}`)
}

/** A mark was to be disposed or rewound to, but a later one is open. Marks are numbered in the order of their making. */
export function markNotLast(operation: string, mark: number, later: number): Error {
  return create(
    Error,
    'ERR_INVALID_STATE',
    `Cannot ${operation} mark ${mark} of this arena: mark ${later}, which was made later, is open, and the regions of ` +
      'both would end. Mostly this means that two users share one arena. Dispose the later mark first. Use one arena ' +
      'for each request in flight',
  )
}

/** The addon cannot be loaded. `explanation` says for which platform, why, and what to do. */
export function noBinding(explanation: string, cause?: unknown): Error {
  const code = 'ERR_CMALLOC_NO_BINDING' satisfies ErrorCode
  const message = `cmalloc has no native binding ${explanation}`
  if (cause === undefined) return create(Error, code, message)
  // The cause tells where. Twice that, an uncaught one fills more than a screen.
  return assign(new Error(message, { cause }), { code, stack: `Error: ${message}` })
}

/** The rejection of an aborted operation. Its name is that of the platform's own error. */
export function aborted(cause: unknown): Error {
  const name = 'AbortError'
  return assign(new Error('The allocation was aborted. Its memory was given back', { cause }), {
    name,
    code: 'ABORT_ERR',
  })
}

/** A value as an error message shows it, without running any code of the value's. */
function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value.length > 40 ? `a string of length ${value.length}` : JSON.stringify(value)
    case 'bigint':
      return value >= -(1n << 64n) && value <= 1n << 64n ? `${value}n` : 'a bigint of more than 64 bits'
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : 'an object'
    default:
      return String(value)
  }
}
