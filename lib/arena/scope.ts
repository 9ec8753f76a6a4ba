/// <reference lib="esnext.disposable" preserve="true" />

import { illegalConstructor, invalidType } from '../runtime/errors.js'
import { NO_CHUNK, type Chunk } from './chunk.js'

/** The regions since a mark. They end together, when the generation is raised. */
export interface Scope {
  /** The number of the mark, from 1; 0 is the scope of the whole arena. */
  readonly number: number
  /** The scope of the open mark before this one. */
  readonly below: Scope | undefined
  generation: number
  /** The current chunk of its arena as it began, and how much of that was in use. */
  readonly chunk: Chunk
  readonly top: number
  /** The chunks of its long regions, if there are any. */
  long: Set<Chunk> | undefined
  /** Whether a typed array was made of one of the regions, or of earlier ones whose memory was still in use. */
  viewed: boolean
  /** Which calls made the mark, in the debug mode. */
  readonly stack: string | undefined
}

export function makeScope(number: number, below: Scope | undefined, chunk: Chunk, stack?: string): Scope {
  return { number, below, generation: 0, chunk, top: chunk.top, long: undefined, viewed: false, stack }
}

/** The scope of a whole arena. */
export function wholeScope(): Scope {
  return makeScope(0, undefined, NO_CHUNK)
}

/** Whether a scope is among the open ones, of which `top` is the newest. */
export function isOpen(scope: Scope, top: Scope): boolean {
  for (let open: Scope | undefined = top; open !== undefined; open = open.below) if (open === scope) return true
  return false
}

/** Only this file has it, so that nobody else makes marks. */
const KEY = Symbol('mark')

export let makeMark: (scope: Scope, close: (scope: Scope) => void) => Mark

export let isMark: (value: unknown) => value is Mark

/** The scope that a mark began. */
export let scopeOf: (mark: Mark) => Scope

/**
 * A moment of an arena, to which it can be rewound, any number of times. A mark is open until it is disposed, or its
 * arena is reset or disposed. At the end of the scope of a `using` declaration it is disposed by itself.
 *
 * Marks nest: the one that was made last ends first.
 *
 * @see Arena.mark
 */
export class Mark implements Disposable {
  readonly #scope: Scope
  readonly #close: (scope: Scope) => void

  /** @internal */
  private constructor(key: symbol, scope: Scope, close: (scope: Scope) => void) {
    if (key !== KEY) throw illegalConstructor('A Mark', 'the mark() of an Arena')
    this.#scope = scope
    this.#close = close
  }

  static {
    makeMark = (scope, close) => new Mark(KEY, scope, close)
    isMark = (value): value is Mark => typeof value === 'object' && value !== null && #scope in value
    scopeOf = (mark) => {
      if (!isMark(mark)) throw invalidType('mark', 'a Mark', mark)
      return mark.#scope
    }
  }

  /**
   * Ends every region that was allocated since this mark, as `rewind` does, and the mark itself; nothing if it has
   * ended already.
   *
   * @throws `ERR_INVALID_STATE` if a mark is open that was made later; `ERR_CMALLOC_PINNED`
   */
  [Symbol.dispose](): void {
    this.#close(this.#scope)
  }
}
