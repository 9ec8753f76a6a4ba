/** Names what a call has too much: options that there are not, and arguments that nobody reads. */

import { invalidType, invalidValue, wrongUse } from './errors.js'
import { floor, min } from './primordials.js'

const { hasOwn } = Object

/**
 * The options of a call: an object with no own property that is none.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`
 */
export function mustBeOptions(options: unknown, call: string, known: readonly string[]): asserts options is object {
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options, allOf(known))
  for (const name in options) {
    if (!isOneOf(name, known) && hasOwn(options, name)) throw unknownOption(name, call, known)
  }
}

/** A call with more arguments than it has. `call` shows those that it has; `advice` says what to do instead. */
export function surplus(call: string, given: number, advice?: string): Error {
  const message = `${call} has no more arguments than these, and was given ${given}`
  return invalidValue(advice === undefined ? message : `${message}. ${advice}`)
}

/**
 * Lets a function of one argument be called as `forEach`, `map` and `Array.from` call theirs: with an index and perhaps
 * the collection behind it.
 *
 * @throws `ERR_INVALID_ARG_VALUE` for anything else
 */
export function mustBeVisit(call: string, given: number, key: unknown, collection: unknown): void {
  if (given !== 2 || typeof key !== 'number') mustBeMapped(call, given, collection)
}

/**
 * The same where a number might be meant as an offset: then only together with the collection.
 *
 * @throws `ERR_INVALID_ARG_VALUE` for anything else
 */
export function mustBeMapped(call: string, given: number, collection: unknown): void {
  const isObject = typeof collection === 'object' && collection !== null
  if (given === 3 && isObject && typeof (collection as { forEach?: unknown }).forEach === 'function') return
  throw surplus(call, given)
}

/** A method of a handle that was called without it, as a callback is. */
export function unbound(method: string): Error {
  return wrongUse(`${method}() was called without its block. As a callback write () => block.${method}()`)
}

/** The `free` of a handle, which was called as that of an allocator is. */
export function freedOther(): Error {
  return invalidValue('free() frees its own block, and was given another one. For that, write free(block)')
}

function unknownOption(name: string, call: string, known: readonly string[]): Error {
  const near = nearest(name, known)
  const guess = near === undefined ? '' : `. Did you mean ${near}?`
  return invalidValue(`${call} has no option ${shorten(name)}${guess || '.'} ${allOf(known)}`)
}

const allOf = (known: readonly string[]): string =>
  known.length === 1 ? `The only option is ${known[0]}` : `The options are ${list(known)}`

function isOneOf(name: string, names: readonly string[]): boolean {
  for (let index = 0; index < names.length; index++) if (names[index] === name) return true
  return false
}

function list(names: readonly string[]): string {
  let all = ''
  for (let index = 0; index < names.length; index++) {
    all += (index === 0 ? '' : index === names.length - 1 ? ' and ' : ', ') + names[index]
  }
  return all
}

const shorten = (name: string): string => (name.length > 40 ? `${name.slice(0, 40)}…` : name)

/** The name that takes the fewest changes to come to, if that is fewer than half of the letters. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const wrong = name.slice(0, 40).toLowerCase()
  let best: string | undefined
  let least = floor(wrong.length / 2) + 1
  for (let index = 0; index < known.length; index++) {
    const right = known[index]!.toLowerCase()
    const changes = wrong.startsWith(right) || right.startsWith(wrong) ? 1 : distance(wrong, right)
    if (changes >= least) continue
    least = changes
    best = known[index]
  }
  return best
}

/** How many letters must be changed, added or left out, or neighbours swapped, to make one text of another. */
function distance(from: string, to: string): number {
  let before: number[] = []
  let last: number[] = []
  for (let column = 0; column <= to.length; column++) last[column] = column
  for (let row = 1; row <= from.length; row++) {
    const next = [row]
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1]
      let least = min(last[column]! + 1, next[column - 1]! + 1, last[column - 1]! + (isSame ? 0 : 1))
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        least = min(least, before[column - 2]! + 1)
      }
      next[column] = least
    }
    before = last
    last = next
  }
  return last[to.length]!
}
