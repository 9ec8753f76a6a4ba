import { AssertionError } from 'node:assert'
import type { AllocatedBuffer, Allocator } from '../core/allocator.js'

/** A rule, and what throws if an allocator breaks it. */
export interface Rule {
  readonly rule: string
  check(allocator: Allocator): void
}

/** A rule whose check demands something of an allocator, thing by thing. */
export function define(rule: string, check: (allocator: Allocator, must: Must) => void): Rule {
  return { rule, check: (allocator) => check(allocator, new Must(rule)) }
}

/** What a rule demands: each of its methods throws, with the rule and what is wrong, unless it is so. */
export class Must {
  readonly #rule: string

  constructor(rule: string) {
    this.#rule = rule
  }

  /** Both are the same value. */
  be(what: string, actual: unknown, expected: unknown): void {
    if (!Object.is(actual, expected)) this.#fail(`${what} is ${show(actual)}, not ${show(expected)}`, actual, expected)
  }

  /** A condition holds. */
  hold(condition: boolean, otherwise: string): void {
    if (!condition) this.#fail(otherwise, false, true)
  }

  /** Each byte is what a function of its position says. */
  contain(what: string, bytes: Uint8Array, expected: (position: number) => number): void {
    const position = bytes.findIndex((byte, index) => byte !== expected(index))
    if (position >= 0) this.be(`byte ${position} of ${what}`, bytes[position], expected(position))
  }

  /** A call throws an error of a class. */
  throw(what: string, Class: new (message: string) => Error, call: () => unknown): void {
    let result: unknown
    try {
      result = call()
    } catch (error) {
      if (error instanceof Class) return
      this.#fail(`${what} throws ${show(error)}, not a ${Class.name}`, error, Class)
    }
    this.#fail(`${what} throws nothing, but returns ${show(result)}`, result, Class)
  }

  #fail(how: string, actual: unknown, expected: unknown): never {
    throw new AssertionError({ message: `${this.#rule}: ${how}`, actual, expected, operator: 'conforms' })
  }
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`
  if (value instanceof Error) return `"${value.name}: ${value.message}"`
  if (typeof value === 'string') return JSON.stringify(value)
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

/** Frees buffers as a check is over, whatever comes of it: what that means is another rule's matter. */
export function freeAll(allocator: Allocator, buffers: Iterable<AllocatedBuffer>): void {
  for (const buffer of buffers) {
    try {
      allocator.free(buffer)
    } catch {
      // See above.
    }
  }
}
