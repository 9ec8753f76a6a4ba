/** A server that keeps the buffers of its requests in a pool: resident, scrubbed, and bounded. */

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'cmalloc/pool'

const LARGEST = 2 ** 20

const pool = new Pool({ retainBytes: 16 * LARGEST, scrub: true, idleMilliseconds: 10_000 })

/** Collects the body in a block, and answers with its hash. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const block = pool.malloc(LARGEST)
  try {
    let length = 0
    for await (const chunk of request as AsyncIterable<Buffer>) {
      if (length + chunk.length > LARGEST) return void response.writeHead(413).end()
      block.bytes.set(chunk, length)
      length += chunk.length
    }
    response.end(
      createHash('sha256')
        .update(block.view(Uint8Array, 0, length))
        .digest('hex'),
    )
  } finally {
    // Nothing uses the bytes any more. `free` could not know that, as a socket is open.
    block.freeNow()
  }
}

const server = createServer((request, response) => void answer(request, response))

server.listen(0, async () => {
  const { port } = server.address() as AddressInfo
  for (const body of ['one', 'two', 'x'.repeat(LARGEST), 'x'.repeat(LARGEST + 1)]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, so that the second has the first one's block
    const response = await fetch(`http://localhost:${port}`, { method: 'POST', body })
    // oxlint-disable-next-line no-await-in-loop
    console.log(response.status, (await response.text()).slice(0, 8))
  }
  console.log(`${pool.stats().hits} of 4 requests had a block that was there`)
  server.close()
  server.closeAllConnections()
})
