import assert from 'node:assert'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, createServer as createSocketServer } from 'node:net'
import { malloc } from 'cmalloc'

const MiB = 2 ** 20

// An answer out of a block: the callback is called as the last byte is the system's.
const web = createServer((_request, response) => {
  const block = malloc(MiB, 1, 'A')
  response.end(block.bytes, () => block.freeNow())
  response.on('close', () => block[Symbol.dispose]()) // a client that goes away leaves the callback uncalled
})
web.listen(0, '127.0.0.1')
await once(web, 'listening')
const portOf = (server) => Object(server.address()).port
const answer = await (await fetch(`http://127.0.0.1:${portOf(web)}`)).text()
assert.equal(answer, 'A'.repeat(MiB))
console.log(`HTTP: ${answer.length} bytes out of a block`)
web.close()
web.closeAllConnections()

// A socket that reads into a block, time after time: no Buffer is made for each chunk.
const sender = createSocketServer((socket) => socket.end(Buffer.alloc(MiB, 'B')))
sender.listen(0, '127.0.0.1')
await once(sender, 'listening')
const chunk = malloc(65_536)
let [received, wrong] = [0, 0]
const onread = {
  buffer: chunk.bytes,
  callback(count, bytes) {
    received += count
    wrong += bytes.subarray(0, count).filter((byte) => byte !== 66).length
    return true // go on reading
  },
}
const socket = connect({ port: portOf(sender), host: '127.0.0.1', onread })
chunk.pin(socket) // until it is closed, the system writes there
await once(socket, 'close')
chunk.freeNow()
console.log(`socket: ${received} bytes into a block of 65536, ${wrong} of them wrong`)
sender.close()
