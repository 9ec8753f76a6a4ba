/** For the debug mode: where the program has freed blocks while a request in flight may have been using the bytes. */

import { report } from '../runtime/report.js'

/** How many places are told apart. */
const KNOWN = 1000
/** How many of them a report names. */
const NAMED = 20

interface Place {
  readonly operation: string
  /** The stacks of the first time. */
  readonly ended: string
  readonly viewed: string
  blocks: number
  bytes: number
}

/** By the line of the program that freed the block: the first of the stack. */
const places = new Map<string, Place>()
let elsewhere = 0

/** Notes that a block was let go; `ended` and `viewed` are the stacks of that, and of its first view. */
export function noteBlockLetGo(operation: string, byteLength: number, ended: string, viewed: string): void {
  const line = `${operation}\n${ended.split('\n', 1)[0]}`
  let place = places.get(line)
  if (place === undefined) {
    if (places.size === KNOWN) return void elsewhere++
    place = { operation, ended, viewed, blocks: 0, bytes: 0 }
    places.set(line, place)
  }
  place.blocks += 1
  place.bytes += byteLength
}

/** Names the places. */
export function reportLetGo(): void {
  const all = [...places.values()]
  for (const { operation, ended, viewed, blocks, bytes } of all.slice(0, NAMED)) {
    const inAll = blocks === 1 ? '' : ' in all'
    report(
      `${operation} let ${count(blocks, 'block')} go while a request was in flight, ${count(bytes, 'byte')}${inAll}: ` +
        `perhaps an \`await\` is missing\n  let go:\n${ended}\n  viewed first:\n${viewed}`,
    )
  }
  const more = all.length - NAMED
  if (more > 0) report(`Blocks were let go while a request was in flight at ${count(more, 'place')} more`)
  if (elsewhere > 0) report(`So were ${count(elsewhere, 'block')} at other places, which are too many to tell apart`)
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`
}
