import assert from 'node:assert'
import sharp from 'sharp'
import { malloc } from 'cmalloc'

const MiB = 2 ** 20
const SIDE = 8192 // an image of 64 MiB: one byte for each pixel
const SMALL = 512

const image = malloc(SIDE * SIDE, 1, 'zero') // black
const before = process.memoryUsage.rss()

// libvips reads the pixels where they are: nothing is copied on the way in.
const pipeline = sharp(image.bytes, { raw: { width: SIDE, height: SIDE, channels: 1 }, limitInputPixels: false })
  .resize(SMALL, SMALL)
  .extractChannel(0)
  .raw()
image.fill(255, (SIDE / 2) * SIDE) // it has not looked yet: the lower half becomes white

// Its threads read the block until the promise is settled. `use` frees the block then.
const working = image.use(() => pipeline.toBuffer())
assert.throws(() => image.free(), { code: 'ERR_CMALLOC_PINNED' })
const thumbnail = await working
assert.equal(image.freed, true)

const most = process.resourceUsage().maxRSS * 1024
assert.deepEqual([thumbnail.length, thumbnail[0], thumbnail.at(-1)], [SMALL * SMALL, 0, 255])
console.log(`black above, white below: ${thumbnail[0]}, ${thumbnail.at(-1)}`)
assert.ok(most - before < SIDE * SIDE, 'a copy of the image would have been resident, too')
console.log(`less than a second image of ${(SIDE * SIDE) / MiB} MiB was ever resident`)
