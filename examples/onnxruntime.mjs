import assert from 'node:assert'
import ort from 'onnxruntime-node'
import { malloc } from 'cmalloc'

const N = 1000

// The model `y = x + x`, in ONNX's format, which is one of Protocol Buffers. Yours comes from a file.
const field = (number, type, ...bytes) => [(number << 3) | type, ...bytes]
const integer = (number, value) => field(number, 0, value)
const message = (number, ...parts) => field(number, 2, parts.flat().length, ...parts.flat())
const text = (number, value) => message(number, [...Buffer.from(value)])
const FLOATS = message(2, message(1, integer(1, 1), message(2, message(1, text(2, 'n')))))
const add = message(1, text(1, 'x'), text(1, 'x'), text(2, 'y'), text(4, 'Add'))
const [x, y] = [message(11, text(1, 'x'), FLOATS), message(12, text(1, 'y'), FLOATS)]
const model = [integer(1, 8), message(8, integer(2, 13)), message(7, add, text(2, 'twice'), x, y)]
const session = await ort.InferenceSession.create(Uint8Array.from(model.flat()))

// Input and output are blocks: C code fills the one and reads the other by address.
const input = malloc(N, Float32Array.BYTES_PER_ELEMENT)
const output = malloc(N, Float32Array.BYTES_PER_ELEMENT)
try {
  const [from, to] = [input.view(Float32Array), output.view(Float32Array)]
  for (let index = 0; index < N; index++) from[index] = index
  const feeds = { x: new ort.Tensor('float32', from, [N]) }
  assert.equal(feeds.x.data.buffer, input.buffer) // a tensor holds the view: not a copy
  await session.run(feeds, { y: new ort.Tensor('float32', to, [N]) }) // y is written to the block
  assert.ok(to.every((value, index) => value === 2 * index))
  console.log(`${to[1]} ${to[2]} ... ${to[N - 1]}`)

  // Tensors stay good for as long as the block: a second run sees what is there now.
  from.fill(21)
  await session.run(feeds, { y: new ort.Tensor('float32', to, [N]) })
  console.log(`${to[1]} ${to[2]} ... ${to[N - 1]}`)
} finally {
  input.freeNow()
  output.freeNow()
}
await session.release()
