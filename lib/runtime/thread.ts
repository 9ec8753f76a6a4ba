/**
 * What all evaluations of cmalloc in this thread share, those of other copies too. There are many in a test runner, which
 * evaluates it for each file.
 */

import { EventEmitter } from 'node:events'
import { process } from './process.js'

const KEY = Symbol.for('cmalloc.thread')

/** An object of Node's own realm. One of the first evaluation's would keep all that its file had, for ever. */
interface Thread extends EventEmitter {
  /** How many identifiers were given to managers. */
  identifiers: number
  evaluations: number
  listensForExit?: boolean
  /** What each evaluation keeps alive, by its number. */
  [kept: number]: object | undefined
  /** What was done, by its name. */
  [done: `did ${string}`]: true
  /** Objects of the binding, which are of Node's own realm too. */
  [shared: `shared ${string}`]: object
}

const holder = process as unknown as { [KEY]?: Thread }

export const thread: Thread = holder[KEY] ?? create()

function create(): Thread {
  const created = new EventEmitter().setMaxListeners(0) as Thread
  created.identifiers = 0
  created.evaluations = 0
  Object.defineProperty(holder, KEY, { value: created })
  return created
}

const evaluation = thread.evaluations++

/** Keeps something alive, even if all of this evaluation is dropped; instead of what was kept before. */
export function keep(kept: object | undefined): void {
  thread[evaluation] = kept
}

/** Whether this is the first evaluation of the thread that asks. */
export function isFirst(what: string): boolean {
  if (thread[`did ${what}`]) return false
  return (thread[`did ${what}`] = true)
}

/** Calls back as the thread ends, or the process. Until then the function is kept; or until the returned one is called. */
export function whenItEnds(callback: () => void): () => void {
  if (!thread.listensForExit) {
    thread.listensForExit = true
    // One listener for all. The function is bound in Node's own realm, as `emit` is of that.
    process.on('exit', thread.emit.bind(thread, 'exit'))
  }
  thread.on('exit', callback)
  return () => void thread.off('exit', callback)
}
