'use strict'
// A server that is watched: each answer is made in memory of its own, which ends as the function returns. Argument: where
// the memory comes from. Prints its port, and as it is asked for /end how much memory it had.
const { createServer } = require('node:http')
const { deflate } = require('node:zlib')
const { malloc, stats } = require('cmalloc')
const { Pool } = require('cmalloc/pool')
const { BYTE_LENGTH, contentsOf, isPacked } = require('./contents.js')

const pool = new Pool({ retainBytes: 64 * BYTE_LENGTH })

/** Calls `work` with bytes that may be used until then. */
const MEMORY = {
  Buffer: (work) => work(Buffer.allocUnsafe(BYTE_LENGTH)),
  malloc(work) {
    const block = malloc(BYTE_LENGTH)
    try {
      return work(block.bytes)
    } finally {
      block[Symbol.dispose]()
    }
  },
  Pool(work) {
    const block = pool.malloc(BYTE_LENGTH)
    try {
      return work(block.bytes)
    } finally {
      block[Symbol.dispose]()
    }
  },
}
const withBytes = MEMORY[process.argv[2]]

function answer(number, response) {
  withBytes((bytes) => {
    bytes.set(contentsOf(number))
    if (!isPacked(number)) return response.end(bytes)
    deflate(bytes, { level: 1 }, (error, packed) => (error ? response.destroy(error) : response.end(packed)))
  })
}

const server = createServer(({ url }, response) => {
  if (url !== '/end') return answer(Number(url.slice(1)), response)
  const { letGoBlocks, liveBlocks } = stats()
  response.end(JSON.stringify({ peak: process.resourceUsage().maxRSS * 1024, letGoBlocks, liveBlocks }))
  server.close()
  server.closeIdleConnections()
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
