import { surplus } from '../runtime/mistakes.js'
import type { Allocator } from '../core/allocator.js'
import * as buffers from './buffers.js'
import * as consuming from './consuming.js'
import * as ends from './ends.js'
import * as requests from './requests.js'
import type { Rule } from './rule.js'

/** A rule, and what checks whether an allocator keeps it. */
export interface ConformanceTest {
  /** The rule, as the title of a test. */
  readonly rule: string
  /** Returns if the rule is kept; throws node's `AssertionError` if not, whose message begins with the rule. */
  run(): void
}

const RULES: readonly Rule[] = [...requests.RULES, ...buffers.RULES, ...ends.RULES, ...consuming.RULES]

/**
 * The rules of an allocator, as tests. Each asks for an allocator of its own, allocates up to 64 MiB at once with it, and
 * frees what it can.
 *
 * @param make - makes an allocator, or returns the only one
 *
 * @example
 * ```ts
 * import test from 'node:test'
 * import { Arena } from 'cmalloc/arena'
 * import { conformance } from 'cmalloc/conformance'
 *
 * for (const { rule, run } of conformance(() => new Arena())) test(rule, run)
 * ```
 */
export function conformance(make: () => Allocator): ConformanceTest[] {
  if (arguments.length > 1) throw surplus('conformance(make)', arguments.length)
  return RULES.map(({ rule, check }) => ({ rule, run: () => check(make()) }))
}
