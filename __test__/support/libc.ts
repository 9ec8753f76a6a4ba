/** The C library of this process, as a program would call it: the other side of `consume` and `release`. */

import { readFileSync } from 'node:fs'
import koffi from 'koffi'

// Not a library by its name: whatever stands in for `malloc` in this process must be what answers here too.
const library = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null)

/** Binds on first use, as not every library has every function. */
function lazy<T extends (...args: never[]) => unknown>(declaration: string): T {
  let bound: T | undefined
  return ((...args: never[]) => (bound ??= library.func(declaration) as unknown as T)(...args)) as T
}

type Pointer = bigint | Uint8Array | BigUint64Array

const mallocOrNull = lazy<(size: number) => bigint | null>('void *malloc(size_t size)')
const callocOrNull = lazy<(count: number, size: number) => bigint | null>('void *calloc(size_t count, size_t size)')
const reallocOrNull = lazy<(block: bigint, size: number) => bigint | null>('void *realloc(void *block, size_t size)')
const alignedInto = lazy<(out: [bigint | null], alignment: number, size: number) => number>(
  'int posix_memalign(_Out_ void **out, size_t alignment, size_t size)',
)

export const free = lazy<(block: bigint) => void>('void free(void *block)')
export const memset = lazy<(to: Pointer, byte: number, count: number) => bigint>(
  'void *memset(void *to, int byte, size_t count)',
)
export const memcpy = lazy<(to: Pointer, from: Pointer, count: number) => bigint>(
  'void *memcpy(void *to, const void *from, size_t count)',
)
export const memcmp = lazy<(one: Pointer, other: Pointer, count: number) => number>(
  'int memcmp(const void *one, const void *other, size_t count)',
)
export const strlen = lazy<(text: bigint) => number>('size_t strlen(const void *text)')
/** What a block really holds: at least what was asked for it. */
export const usableSize = lazy<(block: bigint) => number>(
  { win32: 'size_t _msize(void *block)', darwin: 'size_t malloc_size(void *block)' }[process.platform as string] ??
    'size_t malloc_usable_size(void *block)',
)
export const madvise = lazy<(start: bigint, length: number, advice: number) => number>(
  'int madvise(void *start, size_t length, int advice)',
)
export const getpagesize = lazy<() => number>('int getpagesize()')
const fadvise = lazy<(descriptor: number, offset: number, length: number, advice: number) => number>(
  'int posix_fadvise(int descriptor, int64_t offset, int64_t length, int advice)',
)
const getrlimit = lazy<(resource: number, limit: BigUint64Array) => number>('int getrlimit(int resource, void *limit)')
const setrlimit = lazy<(resource: number, limit: BigUint64Array) => number>(
  'int setrlimit(int resource, const void *limit)',
)

/** `malloc`, where NULL is an error. */
export function malloc(size: number): bigint {
  return notNull(mallocOrNull(size))
}

/** `calloc`, where NULL is an error. */
export function calloc(count: number, size: number): bigint {
  return notNull(callocOrNull(count, size))
}

/** Whether C's `realloc` leaves a block where it is if its length does not change: a sanitizer's never does. */
export function reallocKeeps(): boolean {
  const before = malloc(100)
  const after = notNull(reallocOrNull(before, 100))
  free(after)
  return after === before
}

/** `posix_memalign`; not on Windows. */
export function posixMemalign(alignment: number, size: number): bigint {
  const out: [bigint | null] = [null]
  if (alignedInto(out, alignment, size) !== 0) throw new Error('posix_memalign failed')
  return notNull(out[0])
}

/** A copy of the bytes at an address. */
export function read(address: bigint, count: number): Buffer {
  const bytes = Buffer.alloc(count)
  memcpy(bytes, address, count)
  return bytes
}

/** Drops the pages of a part of anonymous memory (Linux): they read as zeros afterwards. */
export function dropPages(start: bigint, length: number): void {
  const MADV_DONTNEED = 4
  if (madvise(start, length, MADV_DONTNEED) !== 0) throw new Error('madvise failed')
}

/** Drops the pages of a file that is on its disk from memory (Linux). */
export function dropFromPageCache(descriptor: number): void {
  const POSIX_FADV_DONTNEED = 4
  if (fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) !== 0) throw new Error('posix_fadvise failed')
}

/** Limits by how many bytes the process's address space may still grow (Linux); `null` lifts the limit. */
export function limitGrowth(bytes: number | null): void {
  const RLIMIT_AS = 9
  const limit = new BigUint64Array(2)
  if (getrlimit(RLIMIT_AS, limit) !== 0) throw new Error('getrlimit failed')
  limit[0] = bytes === null ? limit[1]! : BigInt(addressSpace() + bytes)
  if (setrlimit(RLIMIT_AS, limit) !== 0) throw new Error('setrlimit failed')
}

function addressSpace(): number {
  return Number(/^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024
}

function notNull(address: bigint | null): bigint {
  if (address === null) throw new Error('The C allocator returned NULL')
  return address
}
