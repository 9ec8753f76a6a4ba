/**
 * libvips, through sharp, reads raw pixels where they lie in a block: nothing is copied on the way in. What comes out is
 * memory of its own, and is copied once, to a block of ours.
 */

import assert from 'node:assert'
import sharp from 'sharp'
import { malloc, NativeBuffer } from 'cmalloc'

const MiB = 2 ** 20
const SIDE = 8192
const THUMBNAIL = 512

/** Shrinks an image of SIDE rows, each of SIDE bytes: one for each pixel. The image stays the caller's. */
async function shrink(image: NativeBuffer): Promise<NativeBuffer> {
  const pipeline = sharp(image.bytes, { raw: { width: SIDE, height: SIDE, channels: 1 }, limitInputPixels: false })
    .resize(THUMBNAIL, THUMBNAIL)
    .extractChannel(0)
    .raw()
  // sharp knows where the pixels are, and has not looked yet: the lower half becomes white.
  image.fill(255, (SIDE / 2) * SIDE)

  // Threads of libvips read the block until the promise is settled, and it must not go away before.
  const pin = image.pin()
  const working = pipeline.toBuffer().finally(() => pin.unpin())
  assert.throws(() => image.free(), { code: 'ERR_CMALLOC_PINNED' })
  return NativeBuffer.from(await working)
}

async function main(): Promise<void> {
  using image = malloc(SIDE * SIDE, 1, 'zero')
  const before = process.memoryUsage.rss()
  using thumbnail = await shrink(image)
  const most = process.resourceUsage().maxRSS * 1024

  assert.equal(thumbnail.byteLength, THUMBNAIL * THUMBNAIL)
  assert.deepEqual([thumbnail.bytes[0], thumbnail.bytes.at(-1)], [0, 255])
  console.log(`black above, white below: ${thumbnail.bytes[0]}, ${thumbnail.bytes.at(-1)}`)
  assert.ok(most - before < image.byteLength, 'a copy of the image would have been resident, too')
  console.log(`less than a second image of ${image.byteLength / MiB} MiB was ever resident: true`)
}

void main()
