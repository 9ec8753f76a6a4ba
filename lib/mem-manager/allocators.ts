import type { Allocator } from '../core/allocator.js'
import { consume } from '../core/consume.js'
import { free, getBufferAddress, malloc } from '../core/malloc.js'
import { invalidType, invalidValue } from '../runtime/errors.js'
import { surplus } from '../runtime/mistakes.js'
import { freeze, mapForEach, mapGet, mapSet } from '../runtime/primordials.js'
import { arrayBufferAllocator } from './array-buffer-allocator.js'

/** The allocators that have a name. */
const allocators = new Map<string, Allocator>()

/** What every allocator must have. */
const FUNCTIONS = ['malloc', 'free', 'getBufferAddress'] as const

mapSet(allocators, 'CMalloc', freeze({ malloc, free, getBufferAddress, consume }))
mapSet(allocators, 'ArrayBuffer', arrayBufferAllocator)

/**
 * Gives an allocator a name, by which a `MemManager` can be told to use it. `'CMalloc'`, cmalloc itself, and
 * `'ArrayBuffer'`, plain `ArrayBuffer`s, are there already.
 *
 * @param name - a name that no allocator has yet
 * @param allocator - an object with the functions of {@link Allocator}
 * @throws `ERR_INVALID_ARG_TYPE`; `ERR_INVALID_ARG_VALUE` for a name that is taken or empty, and for an allocator that
 * lacks a function, which the message names
 *
 * @example
 * ```ts
 * registerAllocator('Logging', { ...arrayBufferAllocator, free: (buffer) => console.log(buffer.byteLength) })
 * new MemManager(10, 1, { allocator: 'Logging' })
 * ```
 */
export function registerAllocator(name: string, allocator: Allocator): void {
  if (arguments.length > 2) throw surplus('registerAllocator(name, allocator)', arguments.length)
  if (typeof name !== 'string') throw invalidType('name', 'a string', name)
  if (name === '') throw invalidValue('name must not be empty')
  if (mapGet(allocators, name) !== undefined) {
    throw invalidValue(`The name '${name}' is taken: there is an allocator of that name. Choose another one`)
  }
  mapSet(allocators, name, checkAllocator('allocator', allocator))
}

/** The allocator of a name, or the one that is given. */
export function findAllocator(option: string, allocator: unknown): Allocator {
  if (typeof allocator !== 'string') return checkAllocator(option, allocator)
  const found = mapGet(allocators, allocator)
  if (found !== undefined) return found
  let names = ''
  mapForEach(allocators, (_, name) => (names += `${names && ', '}'${name}'`))
  throw invalidValue(`There is no allocator '${allocator}'. There are ${names}; registerAllocator() adds others`)
}

function checkAllocator(option: string, allocator: unknown): Allocator {
  if ((typeof allocator !== 'object' && typeof allocator !== 'function') || allocator === null) {
    throw invalidType(option, 'a name or an object with the functions of an allocator', allocator)
  }
  let missing = ''
  for (let index = 0; index < FUNCTIONS.length; index++) {
    const name = FUNCTIONS[index]!
    if (typeof (allocator as Partial<Allocator>)[name] !== 'function') missing += `${missing && ', '}${name}`
  }
  if (missing !== '') throw invalidValue(`${option} is no allocator: it lacks the function ${missing}`)
  return allocator as Allocator
}
