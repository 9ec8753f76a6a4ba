/// <reference lib="esnext.disposable" preserve="true" />

import { illegalConstructor, invalidType } from '../errors.js'
import type { Chunk } from './chunk.js'

/** The regions since a mark. They end together, as the generation moves on. */
export interface Scope {
  generation: number
  /** How many scopes of its arena are below it; -1 once it is gone. */
  depth: number
  /** Where its arena stood as it began: the number of the chunk, and how much of that was in use. */
  readonly at: number
  readonly top: number
  /** The long regions' chunks. */
  readonly long: Set<Chunk>
}

/** Only this file has it, so that nobody else makes marks. */
const KEY = Symbol('mark')

export let makeMark: (scope: Scope, rewind: (mark: Mark) => void) => Mark

/** The scope that a mark began. */
export let scopeOf: (mark: Mark) => Scope

/**
 * A moment of an arena, to which it can be rewound, any number of times: until it is rewound to an earlier one, or
 * reset. At the end of the scope of a `using` declaration that is done by itself.
 *
 * @see Arena.mark
 */
export class Mark implements Disposable {
  readonly #scope: Scope
  readonly #rewind: (mark: Mark) => void

  /** @internal */
  private constructor(key: symbol, scope: Scope, rewind: (mark: Mark) => void) {
    if (key !== KEY) throw illegalConstructor('A Mark', 'the mark() of an Arena')
    this.#scope = scope
    this.#rewind = rewind
  }

  static {
    makeMark = (scope, rewind) => new Mark(KEY, scope, rewind)
    scopeOf = (mark) => {
      if (typeof mark !== 'object' || mark === null || !(#scope in mark)) throw invalidType('mark', 'a Mark', mark)
      return mark.#scope
    }
  }

  /** Rewinds the arena to this mark; nothing if it was rewound past it, or is gone. */
  [Symbol.dispose](): void {
    if (this.#scope.depth >= 0) this.#rewind(this)
  }
}
