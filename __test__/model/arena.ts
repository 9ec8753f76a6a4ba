import { Arena, type Mark, type Region } from 'cmalloc/arena'
import { ensure } from '../random/ensure.js'
import * as libc from '../support/libc.js'

/** Short, so that chunks come and go. */
const CHUNK = 4096

/** A region, what its bytes must be, and how many marks were there as it was made. */
interface Live {
  readonly region: Region
  readonly shadow: Buffer
  readonly depth: number
}

/** An arena, and what is known of it. */
export class ArenaModel {
  /** Made as it is needed: there is none in most sequences. */
  #arena: Arena | undefined
  #arenaOfManagers: Arena | undefined
  regions: Live[] = []
  /** The marks that are open, in their order. */
  marks: Mark[] = []
  /** Marks that are not open any more. */
  staleMarks: Mark[] = []
  dead: Region[] = []

  get arena(): Arena {
    return (this.#arena ??= new Arena({ chunkBytes: CHUNK }))
  }

  /** Another one, which is never reset: managers do not expect that. */
  get arenaOfManagers(): Arena {
    return (this.#arenaOfManagers ??= new Arena({ chunkBytes: CHUNK }))
  }

  adopt(region: Region, contents: Uint8Array | undefined): void {
    const shadow = Buffer.from(contents ?? region.bytes)
    this.regions.push({ region, shadow, depth: this.marks.length })
  }

  /** Says that some regions are gone. */
  end(isOver: (live: Live) => boolean): void {
    const over = this.regions.filter((live) => isOver(live))
    this.regions = this.regions.filter((live) => !isOver(live))
    this.dead = [...this.dead, ...over.map(({ region }) => region)].slice(-20)
  }

  /** Says that the marks from so many on are not open any more. */
  endMarks(depth: number): void {
    this.staleMarks = [...this.staleMarks, ...this.marks.splice(depth)].slice(-5)
  }

  check(): void {
    for (const { region, shadow } of this.regions) {
      ensure(!region.freed && region.byteLength === shadow.length, 'a live region is gone')
      ensure(libc.memcmp(region.address, shadow, shadow.length) === 0, 'the bytes of a region are others')
    }
    for (const region of this.dead) ensure(region.freed && region.byteLength === 0, 'a region outlived its end')
  }

  finish(free: boolean): void {
    if (!free) return
    this.#arena?.[Symbol.dispose]()
    this.#arenaOfManagers?.[Symbol.dispose]()
  }
}
