/** C works on a block through Bun's FFI: `bun examples/bun-ffi.ts`. Its pointers are numbers. */

// @ts-expect-error -- Bun's own module, whose types Node's do not have
import { dlopen, FFIType } from 'bun:ffi'
import { malloc } from 'cmalloc'

const library = { linux: 'libc.so.6', darwin: 'libSystem.dylib', win32: 'ucrtbase.dll' }[process.platform as string]
const { symbols } = dlopen(library, {
  memset: { args: [FFIType.ptr, FFIType.i32, FFIType.u64], returns: FFIType.ptr },
  strlen: { args: [FFIType.ptr], returns: FFIType.u64 },
})

const block = malloc(16, 1, 'zero')
const pointer = Number(block.address)
symbols.memset(pointer, 65, 5n)
console.log(Buffer.from(block.bytes).toString('latin1', 0, 5), symbols.strlen(pointer))
block.free()
