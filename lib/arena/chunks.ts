import type { Pinnable } from '../core/pin.js'
import { cutBack, freeChunks, isWhole, NO_CHUNK, openChunk, startIn, type Chunk } from './chunk.js'

/**
 * The chunks of an arena, without those of long regions: a stack of those that have regions, and a list of spare ones.
 * JavaScript can be stopped between any two of these statements. Therefore a chunk is never in both, and one that is in
 * neither is collected.
 */
export class Chunks {
  /** The topmost of the stack, which regions are cut from. */
  current: Chunk = NO_CHUNK
  /** Whether a part of a spare chunk may be in use. */
  held = false
  #spare: Chunk = NO_CHUNK

  /** Puts a chunk on the stack, with room for a region that does not fit in the current one. */
  push(owner: Pinnable, chunkBytes: number, byteLength: number, align: number): Chunk {
    const chunk = this.#takeSpare(byteLength, align) ?? openChunk(owner, chunkBytes)
    chunk.below = this.current
    this.current = chunk
    return chunk
  }

  /**
   * Takes the stack back to a chunk, and that to its `top`. If what is given up may be in use, it is not handed out
   * again. Chunks of which little can be handed out are added to `ended`, to be freed.
   */
  cutBackTo(chunk: Chunk, top: number, inUse: boolean, ended: Chunk[]): void {
    while (this.current !== chunk && this.current !== NO_CHUNK) {
      const over = this.current
      this.current = over.below!
      if (inUse && over.viewedEnd > over.byteLength / 2) ended.push(over)
      else this.#keep(over, inUse)
    }
    // It is below `top` if the last region from before the mark was freed since.
    if (chunk !== NO_CHUNK && top < chunk.top) cutBack(chunk, top, inUse)
  }

  /** Makes memory that was held back available, as nobody uses it. */
  reuseHeld(): void {
    if (!this.held) return
    for (let chunk = this.#spare; chunk !== NO_CHUNK; chunk = chunk.below!) cutBack(chunk, 0, false)
    this.held = false
  }

  /** The same, and forgets that the spare chunks were ever viewed. */
  forgetViews(): void {
    this.reuseHeld()
    for (let chunk = this.#spare; chunk !== NO_CHUNK; chunk = chunk.below!) chunk.viewed = false
  }

  /** Takes all chunks out. */
  takeAll(): Chunk[] {
    const all = this.list()
    this.current = NO_CHUNK
    this.#spare = NO_CHUNK
    return all
  }

  list(): Chunk[] {
    const all: Chunk[] = []
    for (const first of [this.current, this.#spare]) {
      for (let chunk = first; chunk !== NO_CHUNK; chunk = chunk.below!) all.push(chunk)
    }
    return all
  }

  #keep(chunk: Chunk, inUse: boolean): void {
    if (inUse && chunk.viewedEnd > 0) this.held = true
    cutBack(chunk, 0, inUse)
    chunk.below = this.#spare
    this.#spare = chunk
  }

  /** Takes out the first spare chunk in which such a region fits. */
  #takeSpare(byteLength: number, align: number): Chunk | undefined {
    let above: Chunk | undefined
    for (let chunk = this.#spare; chunk !== NO_CHUNK; chunk = chunk.below!) {
      const whole = isWhole(chunk)
      if (whole && startIn(chunk, align) + byteLength > chunk.byteLength) {
        above = chunk
        continue
      }
      if (above === undefined) this.#spare = chunk.below!
      else above.below = chunk.below
      if (whole) return chunk
      // Whoever has its bytes keeps them.
      freeChunks([chunk], true)
    }
    return undefined
  }
}
