import { ensure } from '../random/ensure.js'

/** What an argument's own code throws; it must come through as it is. */
export class Thrown extends Error {}

const CLASSES: Record<string, new () => Error> = {
  ERR_INVALID_ARG_TYPE: TypeError,
  ERR_INVALID_ARG_VALUE: TypeError,
  ERR_ILLEGAL_CONSTRUCTOR: TypeError,
  ERR_OUT_OF_RANGE: RangeError,
  ERR_CMALLOC_OUT_OF_MEMORY: RangeError,
  ERR_CMALLOC_LOCK_LIMIT: RangeError,
  ERR_CMALLOC_SECURE: Error,
  ERR_CMALLOC_FREED: Error,
  ERR_CMALLOC_ESCAPED: Error,
  ERR_CMALLOC_ALREADY_OWNED: Error,
  ERR_INVALID_STATE: Error,
}

/** The codes of bad arguments. */
export const BAD_ARGUMENT = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_OUT_OF_RANGE'] as const

/** The code of an error without one: the language's own TypeError, from a brand check. */
export const PLAIN = 'a plain TypeError'

export type Outcome<T> = { ok: true; value: T } | { ok: false; code: string }

/** Calls, and accepts no error but a documented one with one of the codes, or what an argument threw itself. */
export function attempt<T>(call: () => T, codes: readonly string[]): Outcome<T> {
  try {
    return { ok: true, value: call() }
  } catch (error) {
    return { ok: false, code: codeOf(error, codes) }
  }
}

function codeOf(error: unknown, codes: readonly string[]): string {
  if (error instanceof Thrown) return 'thrown by an argument'
  ensure(error instanceof Error, `something was thrown that is no error: ${String(error)}`)
  const code = 'code' in error ? String(error.code) : error.name === 'TypeError' ? PLAIN : error.name
  if (!codes.includes(code)) throw new Error(`Broken: unexpected ${code}: ${error.message}`, { cause: error })
  const Class = CLASSES[code]
  ensure(Class === undefined || error.constructor === Class, `${code} came as ${error.constructor.name}`)
  ensure(error.message.length > 0, `${code} says nothing`)
  return code
}

/** The outcome must be one of these codes. */
export function mustFail(outcome: Outcome<unknown>, ...codes: string[]): void {
  ensure(!outcome.ok && codes.includes(outcome.code), `${outcome.ok ? 'success' : outcome.code}, not ${codes.join()}`)
}
