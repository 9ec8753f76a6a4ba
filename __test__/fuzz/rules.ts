/** What the documentation says of arguments, written down a second time. */

export const isLength = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1

/** Whether options of `malloc` make sense, for a block that is filled with this pattern. */
export function areOptions({ align, lazy, secure }: Record<string, unknown>, pattern: Uint8Array | undefined): boolean {
  const isPower = (value: unknown): boolean =>
    Array.from({ length: 33 }, (_, log) => 2 ** log).includes(value as number)
  const isFlag = (value: unknown): boolean => value === undefined || typeof value === 'boolean'
  const isUnwritten = pattern === undefined || (pattern.length === 1 && pattern[0] === 0)
  return (
    (align === undefined || isPower(align)) &&
    isFlag(lazy) &&
    isFlag(secure) &&
    !(lazy === true && (secure === true || !isUnwritten))
  )
}

/** The bytes that an init repeats: `null` for one that must be refused, `undefined` for none. */
export function patternOf(init: unknown): Uint8Array | null | undefined {
  if (init === undefined) return undefined
  if (init === 'zero') return Uint8Array.of(0)
  if (typeof init === 'number') return Number.isInteger(init) && init >= 0 && init <= 255 ? Uint8Array.of(init) : null
  if (typeof init === 'string') return init === '' ? null : new TextEncoder().encode(init)
  if (!ArrayBuffer.isView(init) || !(init instanceof Uint8Array)) return null
  const copy = copyOf(init)
  return copy.length === 0 ? null : copy
}

/**
 * A copy in plain memory, empty of a view that was detached. The engine is asked to copy: optimised code of Node 20
 * can see the length that a detached view once had.
 */
export function copyOf(bytes: Uint8Array): Uint8Array {
  try {
    return new Uint8Array(bytes)
  } catch {
    return new Uint8Array()
  }
}

/** The byte at a position of a repeated pattern. */
export const byteAt = (pattern: Uint8Array | undefined, position: number): number | undefined =>
  pattern?.[position % pattern.length]

/** Where `slice` starts or ends; `undefined` for an index that must be refused. */
export function relative(value: unknown, fallback: number, length: number): number | undefined {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !Number.isInteger(value)) return undefined
  return value < 0 ? Math.max(length + value, 0) : Math.min(value, length)
}

/** Where `fill` and `view` start or end; `undefined` for an index that must be refused. */
export function within(value: unknown, fallback: number, max: number): number | undefined {
  if (value === undefined) return fallback
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max ? value : undefined
}
