import { consume, malloc } from 'cmalloc'

const { Deno } = globalThis
const library = { linux: 'libc.so.6', darwin: 'libSystem.dylib', windows: 'ucrtbase.dll' }[Deno.build.os]
const { symbols } = Deno.dlopen(library, {
  memset: { parameters: ['buffer', 'i32', 'usize'], result: 'pointer' },
  memsetAt: { name: 'memset', parameters: ['pointer', 'i32', 'usize'], result: 'pointer' },
  later: { name: 'memset', parameters: ['buffer', 'i32', 'usize'], result: 'pointer', nonblocking: true },
  strlen: { parameters: ['buffer'], result: 'usize' },
  strdup: { name: Deno.build.os === 'windows' ? '_strdup' : 'strdup', parameters: ['buffer'], result: 'pointer' },
})

const block = malloc(16, 1, 'zero')
try {
  symbols.memset(block.bytes, 65, 5n) // a view, for the time of the call
  symbols.memsetAt(Deno.UnsafePointer.create(block.address + 5n), 66, 5n) // or an address
  console.log(new TextDecoder().decode(block.bytes.slice(0, 10)), symbols.strlen(block.bytes))

  // In another thread: Deno shows no event loop, so the block is pinned until the promise is settled.
  const working = symbols.later(block.bytes, 67, 5n)
  block.pin(working)
  await working
  console.log(new TextDecoder().decode(block.bytes.slice(0, 10)))

  // C has allocated it, and the handle owns it from here on.
  const copy = consume({ address: Deno.UnsafePointer.value(symbols.strdup(block.bytes)) }, 10)
  console.log(new TextDecoder().decode(copy.bytes))
  copy.free()
} finally {
  block.free()
}
