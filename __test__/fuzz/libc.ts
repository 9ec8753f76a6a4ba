import koffi from 'koffi'

const libc = koffi.load(process.platform === 'win32' ? 'ucrtbase.dll' : null)

/** C's `free`: ends a block that was released. */
export const cFree: (address: bigint) => void = libc.func('free', 'void', ['void *'])

/** C's `malloc`. */
export const cMalloc: (byteLength: number) => bigint = libc.func('malloc', 'void *', ['size_t'])

/** Reads a byte at an address, as C would. */
export const readByte: (address: bigint) => number = koffi.decode.uint8
