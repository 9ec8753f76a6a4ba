import ffi from 'ffi-rs'
import { consume, malloc } from 'cmalloc'

const { DataType } = ffi
const path = { linux: 'libc.so.6', darwin: 'libSystem.dylib', win32: 'ucrtbase.dll' }[process.platform]
ffi.open({ library: 'c', path })

const memset = { library: 'c', funcName: 'memset', retType: DataType.Void }
const bytes = [DataType.U8Array, DataType.I32, DataType.U64]
const address = [DataType.BigInt, DataType.I32, DataType.U64]

const block = malloc(2 ** 20, 1, 'zero')
try {
  ffi.load({ ...memset, paramsType: bytes, paramsValue: [block.view(Buffer), 65, 5] }) // a view, as a Buffer
  ffi.load({ ...memset, paramsType: address, paramsValue: [block.address + 5n, 66, 5] }) // or an address
  console.log(block.view(Buffer, 0, 10).toString())

  // ffi-rs holds nothing for a call in another thread: pin the block until the promise is settled.
  const working = ffi.load({
    ...memset,
    paramsType: address,
    paramsValue: [block.address, 67, block.byteLength],
    runInNewThread: true,
  })
  block.pin(working)
  await working
  console.log(`in another thread: ${block.bytes.every((byte) => byte === 67)}`)
} finally {
  block.free()
}

// C has allocated it, and the handle owns it from here on.
const made = ffi.load({
  library: 'c',
  funcName: process.platform === 'win32' ? '_strdup' : 'strdup',
  retType: DataType.BigInt,
  paramsType: [DataType.String],
  paramsValue: ['made by C'],
})
const text = consume({ address: made.valueOf() }, 9) // it is a bigint, though its type says BigInt
console.log(text.view(Buffer).toString())
text.free()
ffi.close('c')
