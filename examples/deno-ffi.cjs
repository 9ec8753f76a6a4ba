// C works on a block through Deno's FFI: `deno run --allow-all examples/deno-ffi.cjs`.

const { malloc } = require('cmalloc')

const { Deno } = globalThis
const library = { linux: 'libc.so.6', darwin: 'libSystem.dylib', win32: 'ucrtbase.dll' }[process.platform]
const { symbols } = Deno.dlopen(library, {
  memset: { parameters: ['pointer', 'i32', 'usize'], result: 'pointer' },
  strlen: { parameters: ['pointer'], result: 'usize' },
})

const block = malloc(16, 1, 'zero')
const pointer = Deno.UnsafePointer.create(block.address)
symbols.memset(pointer, 65, 5n)
console.log(Buffer.from(block.bytes).toString('latin1', 0, 5), symbols.strlen(pointer))
block.free()
