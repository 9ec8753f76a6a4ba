/** The functions of C that the tour calls, through the foreign function interface koffi. */

import koffi from 'koffi'

const libc = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null)

/** `void *malloc(size_t size)` */
export const cMalloc: (size: number) => bigint = libc.func('malloc', 'void *', ['size_t'])

/** `void *memset(void *block, int byte, size_t count)` */
export const cMemset: (block: bigint, byte: number, count: number) => bigint = libc.func('memset', 'void *', [
  'void *',
  'int',
  'size_t',
])

/** `size_t strlen(const char *text)`, by its address. */
export const cStrlen: (text: bigint) => number = libc.func('strlen', 'size_t', ['void *'])

/** `void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))` */
export const cQsort: (base: bigint, count: number, size: number, compare: bigint) => void = libc.func('qsort', 'void', [
  'void *',
  'size_t',
  'size_t',
  'void *',
])

/** The address of C's own `strcmp`. */
export const addressOfStrcmp: bigint = koffi.address(libc.symbol('strcmp'))
