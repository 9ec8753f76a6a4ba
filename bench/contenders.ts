/** Who allocates and frees. */

import { malloc } from 'cmalloc'
import koffi from 'koffi'

// Every function in a variable of this module, so that nobody pays for how its module exports it.
const allocate = malloc
const { alloc, free } = koffi

export interface Contender {
  name: string
  /** Makes a function that allocates and frees once. */
  cycle: (byteLength: number) => () => void
}

/**
 * Koffi takes a type by its name or as an object. By name is the faster one; which name makes no
 * difference.
 */
const koffiByName = (byteLength: number) => (): void => {
  free(alloc('char', byteLength))
}

const koffiByType =
  (byteLength: number, { uint8_t: byte } = koffi.types) =>
  (): void => {
    free(alloc(byte!, byteLength))
  }

export const CMALLOC = 'cmalloc: malloc, free'

export const KOFFI = ['koffi: alloc, free (type by name)', 'koffi: alloc, free (type object)'] as const

/** Those that allocate with C's malloc and free at once. */
export const NATIVE: readonly Contender[] = [
  { name: CMALLOC, cycle: (byteLength) => () => allocate(byteLength).free() },
  { name: KOFFI[0], cycle: koffiByName },
  { name: KOFFI[1], cycle: koffiByType },
]

/** Freed by the garbage collector some time later. Kept, so that the optimiser cannot drop it. */
export const NODE: readonly Contender[] = [
  {
    name: 'Node: Buffer.allocUnsafeSlow',
    cycle: (byteLength) => () => {
      kept = Buffer.allocUnsafeSlow(byteLength)
    },
  },
]

export let kept: Buffer | undefined
