/** A server with an arena for each request in flight. Those of requests that are over are kept, and used again. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Arena } from 'cmalloc/arena'

const [KEPT, LARGEST] = [16, 2 ** 20]

const arenas: Arena[] = []
let made = 0

function takeArena(): Arena {
  const kept = arenas.pop()
  if (kept !== undefined) return kept
  made += 1
  return new Arena({ chunkBytes: 2 ** 18 })
}

function giveBack(arena: Arena, wasSent: boolean): void {
  // What was sent nobody uses any more. If the client has gone away, a write may be under way: `reset` looks.
  if (wasSent) arena.resetNow()
  else arena.reset()
  if (arenas.length < KEPT) arenas.push(arena)
  else arena[Symbol.dispose]()
}

/** An arena is given back when both are over: the work, which may go on as the client goes away, and the response. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const arena = takeArena()
  const closed = new Promise((done) => response.once('close', done))
  try {
    await answer(arena, request, response)
  } catch {
    response.destroy()
  }
  await closed
  giveBack(arena, response.writableFinished)
}

/** Answers with the bytes of the body, each of them turned over. */
async function answer(arena: Arena, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const length = Number(request.headers['content-length'])
  if (!(length <= LARGEST)) return void response.writeHead(413).end()
  const body = arena.malloc(length).bytes
  let received = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    body.set(chunk, received)
    received += chunk.length
  }
  // As for a database. Other requests come and go meanwhile, and would end these regions if they shared an arena.
  await wait(Math.random() * 5)
  const result = arena.malloc(length).bytes
  for (let index = 0; index < length; index++) result[index] = 255 - body[index]!
  if (request.url === '/plain') response.end(result)
  else response.setHeader('content-encoding', 'gzip').end(await promisify(gzip)(result))
}

const server = createServer((request, response) => void serve(request, response))

/** Asks again and again, and counts the right answers. Some requests are given up. */
async function client(url: string, requests: number): Promise<number> {
  let right = 0
  for (let request = 0; request < requests; request++) {
    const body = Buffer.alloc(1 + Math.floor(Math.random() * 200_000), Math.floor(Math.random() * 256))
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    if (request % 5 === 4) await giveUp(url, body)
    const path = request % 2 === 0 ? '/plain' : '/zipped'
    // oxlint-disable-next-line no-await-in-loop
    const response = await fetch(url + path, { method: 'POST', body })
    // oxlint-disable-next-line no-await-in-loop
    const answered = Buffer.from(await response.arrayBuffer())
    if (answered.equals(Buffer.alloc(body.length, 255 - body[0]!))) right += 1
  }
  return right
}

async function giveUp(url: string, body: Buffer<ArrayBuffer>): Promise<void> {
  const signal = AbortSignal.timeout(1)
  await fetch(`${url}/plain`, { method: 'POST', body, signal }).catch(() => {})
}

server.listen(0, async () => {
  const [clients, requests] = [12, 25]
  const url = `http://localhost:${(server.address() as AddressInfo).port}`
  const right = await Promise.all(Array.from({ length: clients }, () => client(url, requests)))
  const sum = right.reduce((one, other) => one + other)
  console.log(`${sum} of ${clients * requests} answers are right, from ${made} arenas`)
  server.close()
  server.closeAllConnections()
})
