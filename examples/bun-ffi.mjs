import { dlopen, FFIType } from 'bun:ffi'
import { consume, malloc } from 'cmalloc'

const library = { linux: 'libc.so.6', darwin: 'libSystem.dylib', win32: 'ucrtbase.dll' }[process.platform]
const strdup = process.platform === 'win32' ? '_strdup' : 'strdup'
const { symbols } = dlopen(library, {
  memset: { args: [FFIType.ptr, FFIType.i32, FFIType.u64], returns: FFIType.ptr },
  strlen: { args: [FFIType.ptr], returns: FFIType.u64 },
  [strdup]: { args: [FFIType.ptr], returns: FFIType.ptr },
})

const block = malloc(16, 1, 'zero')
try {
  symbols.memset(block.bytes, 65, 5n) // a view, for the time of the call
  symbols.memset(Number(block.address) + 5, 66, 5n) // or an address: pointers of Bun are numbers
  console.log(block.view(Buffer, 0, 10).toString(), symbols.strlen(block.bytes))

  // C has allocated it, and the handle owns it from here on.
  const copy = consume({ address: symbols[strdup](block.bytes) }, 10)
  console.log(copy.view(Buffer).toString())
  copy.free()
} finally {
  block.free()
}
