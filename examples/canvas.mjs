import assert from 'node:assert'
import { createCanvas, ImageData, loadImage } from '@napi-rs/canvas'
import { malloc } from 'cmalloc'

const SIDE = 256
const RED = [255, 0, 0, 255]
const BLUE = [0, 0, 255, 255]

const canvas = createCanvas(SIDE, SIDE)
const context = canvas.getContext('2d')
const pixel = (x, y) => [...context.getImageData(x, y, 1, 1).data]

// An image over a block, where C code could paint it.
const pixels = malloc(SIDE * SIDE, 4, Uint8Array.from(RED))
const image = new ImageData(pixels.view(Uint8ClampedArray), SIDE, SIDE)
assert.equal(image.data.buffer, pixels.buffer) // not a copy
pixels.fill(Uint8Array.from(BLUE), 0, pixels.byteLength / 2)
context.putImageData(image, 0, 0) // copies the pixels
pixels.free() // so they are not needed any more
assert.deepEqual([pixel(0, 0), pixel(0, SIDE - 1)], [BLUE, RED])
console.log('from a block to the canvas: blue above, red below')

// An image file in a block: it is read in another thread until the promise is settled.
const png = await canvas.encode('png')
const file = malloc(png.length)
file.bytes.set(png)
const loaded = await file.use((bytes) => loadImage(bytes))
assert.equal(file.freed, true)
context.clearRect(0, 0, SIDE, SIDE)
context.drawImage(loaded, 0, 0)
assert.deepEqual([pixel(0, 0), pixel(0, SIDE - 1)], [BLUE, RED])
console.log('from a PNG in a block to the canvas: the same')

// And back: the canvas gives pixels of its own, which are copied into a block for C code.
const back = malloc(SIDE * SIDE, 4)
back.bytes.set(context.getImageData(0, 0, SIDE, SIDE).data)
assert.deepEqual([...back.bytes.subarray(-4)], RED)
console.log(`from the canvas to a block of ${back.byteLength} bytes`)
back.free()
