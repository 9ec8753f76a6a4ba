import ffi from 'node:ffi'
import { consume, malloc } from 'cmalloc'

const library = { linux: 'libc.so.6', darwin: 'libSystem.dylib', win32: 'ucrtbase.dll' }[process.platform]
const strdup = process.platform === 'win32' ? '_strdup' : 'strdup'
const { functions } = ffi.dlopen(library, {
  memset: { arguments: ['pointer', 'int32', 'uint64'], return: 'pointer' },
  strlen: { arguments: ['pointer'], return: 'uint64' },
  [strdup]: { arguments: ['pointer'], return: 'pointer' },
})

const block = malloc(16, 1, 'zero')
try {
  functions.memset(block.bytes, 65, 5n) // a view, for the time of the call
  functions.memset(block.address + 5n, 66, 5n) // or an address, a bigint
  console.log(block.view(Buffer, 0, 10).toString(), functions.strlen(block.bytes))

  // C has allocated it, and the handle owns it from here on.
  const copy = consume({ address: functions[strdup](block.bytes) }, 10)
  console.log(copy.view(Buffer).toString())
  copy.free()
} finally {
  block.free()
}
