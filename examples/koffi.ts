/** Hands a block to C through koffi: C sorts it in place, takes one over, and gives one back. */

import koffi from 'koffi'
import { consume, malloc } from 'cmalloc'

const libc = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null)
koffi.proto('int compare(const int32_t *one, const int32_t *other)')
const qsort = libc.func('void qsort(void *base, size_t count, size_t size, compare *compare)')
const strdup = libc.func(`void *${process.platform === 'win32' ? '_strdup' : 'strdup'}(const char *text)`)
const free = libc.func('void free(void *block)')

// C works on the block's bytes: nothing is copied.
using numbers = malloc(5, 4)
const view = numbers.view(Int32Array)
view.set([5, 3, -1, 4, 2])
const value = (pointer: unknown): number => koffi.decode(pointer, 'int32_t') as number
qsort(numbers.address, view.length, 4, (one: unknown, other: unknown) => value(one) - value(other))
console.log([...view].join(' '))

// C allocated it, JavaScript owns it from here on.
const text = 'made by C'
using taken = consume({ address: strdup(text) as bigint }, text.length)
console.log(taken.view(Buffer).toString())

// JavaScript allocated it, C owns it from here on.
const given = malloc(1024)
free(given.release())
console.log(given.freed)
