// C works on a block through Node's own FFI, which Node 26 and later have: `node examples/node-ffi.mjs`.

import ffi from 'node:ffi'
import { malloc } from 'cmalloc'

const library = { linux: 'libc.so.6', darwin: 'libSystem.dylib', win32: 'ucrtbase.dll' }[process.platform]
const { functions } = ffi.dlopen(library, {
  memset: { arguments: ['pointer', 'int32', 'uint64'], return: 'pointer' },
  strlen: { arguments: ['pointer'], return: 'uint64' },
})

const block = malloc(16, 1, 'zero')
functions.memset(block.address, 65, 5n)
console.log(Buffer.from(block.bytes).toString('latin1', 0, 5), functions.strlen(block.address))
block.free()
