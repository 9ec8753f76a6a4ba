import { invalidType, invalidValue, outOfRange } from '../runtime/errors.js'
import { mustBeOptions } from '../runtime/mistakes.js'
import { isInteger } from '../runtime/primordials.js'
import { UNINIT, type CheckedInit } from './init.js'

/** What is special about a block; for as long as it lives, `resize` included. */
export interface MallocOptions {
  /**
   * What the block's address is a multiple of, in bytes: a power of two up to 4 GiB; with musl up to 1 GiB, and
   * on Windows up to 16, as `malloc` aligns there anyway.
   *
   * It costs addresses, and no memory. A resize that does not fit where the block is copies it, with memory for both.
   */
  align?: number | undefined
  /**
   * Whether pages come on first use, for who wants addresses and not memory: `residentBytes()` tells how many are
   * there. What the machine has left is then not looked at, only the set limit; if it runs out, the system may kill the
   * process. Only with `init` omitted or zero, as any other touches every page; and not with `secure`.
   */
  lazy?: boolean | undefined
  /**
   * Whether the block is locked in memory, so that it is never swapped; left out of core dumps; and wiped at its
   * end. Blocks of up to a page share their pages. On Linux and FreeBSD. `release()` refuses such a block, as C's `free`
   * would not wipe it; and what reads it makes copies that are none of this.
   */
  secure?: boolean | undefined
}

/** Options after their check. */
export interface CheckedOptions {
  /** 1 if it was not asked for. */
  readonly align: number
  readonly lazy: boolean
  readonly secure: boolean
}

const OPTIONS = ['align', 'lazy', 'secure'] as const satisfies (keyof MallocOptions)[]

const LARGEST_ALIGNMENT = 2 ** 32

/**
 * Checks the options of a block that is to be filled with `init`. `undefined` if nothing is special about it.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE`
 */
export function checkMallocOptions(options: unknown, init: CheckedInit): CheckedOptions | undefined {
  mustBeOptions(options, 'malloc()', OPTIONS)
  const { align, lazy, secure } = options as Record<keyof MallocOptions, unknown>
  const checked = {
    align: checkAlign(align),
    lazy: checkFlag('options.lazy', lazy),
    secure: checkFlag('options.secure', secure),
  }
  if (checked.lazy && checked.secure)
    throw invalidValue('options.lazy must not be true if options.secure is: what is locked in memory is resident')
  if (checked.lazy && init !== UNINIT && init !== 0)
    throw invalidValue("options.lazy must not be true if init is not 'zero': to fill a block touches each of its pages")
  return checked.align > 1 || checked.lazy || checked.secure ? checked : undefined
}

/** The alignment that was asked for; 1 if none was. */
export function checkAlign(align: unknown): number {
  if (align === undefined) return 1
  if (typeof align !== 'number') throw invalidType('options.align', 'a number', align)
  // A power of two has one bit; and 2^32 none of the 32 that are looked at.
  if (!isInteger(align) || align < 1 || align > LARGEST_ALIGNMENT || (align & (align - 1)) !== 0)
    throw outOfRange('options.align', 'a power of two from 1 to 2^32', align)
  return align
}

function checkFlag(name: string, value: unknown): boolean {
  if (value === undefined) return false
  if (typeof value !== 'boolean') throw invalidType(name, 'a boolean', value)
  return value
}
