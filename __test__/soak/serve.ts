/** Clients that keep a server busy, and check each byte of what it answers. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { inflateSync } from 'node:zlib'
import { ROOT, runtimePath, type NodeVersion } from '../support/run.js'
import { contentsOf, isPacked } from './contents.js'

/** Where the server takes the memory of its answers from. */
export type Memory = 'Buffer' | 'malloc' | 'Pool'

export interface Load {
  memory: Memory
  seconds: number
  connections: number
  /** The runtime of the server; the one that runs the tests if omitted. */
  node?: NodeVersion | undefined
}

export interface Served {
  requests: number
  /** The most that was resident, in bytes. */
  peak: number
  letGoBlocks: number
  liveBlocks: number
}

/** Throws if one answer has a wrong byte, or if the server does not end by itself. */
export async function serve({ memory, seconds, connections, node }: Load): Promise<Served> {
  const command = node === undefined ? process.execPath : runtimePath(node)
  const server = spawn(command, [join(__dirname, 'server.js'), memory], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: (seconds + 60) * 1000,
    killSignal: 'SIGKILL',
  })
  const ended = once(server, 'exit')
  const [port] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string]
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const fetchFrom = (path: string | number): Promise<Buffer> =>
    new Promise((done, fail) =>
      get({ host: '127.0.0.1', port: Number(port), path: `/${path}`, agent }, (response) =>
        buffer(response).then(done, fail),
      ).on('error', fail),
    )

  let requests = 0
  const end = performance.now() + seconds * 1000
  async function client(): Promise<void> {
    while (performance.now() < end) {
      const number = ++requests
      // oxlint-disable-next-line no-await-in-loop -- one request after the other
      check(number, await fetchFrom(number))
    }
  }
  try {
    await Promise.all(Array.from({ length: connections }, client))
    const told = JSON.parse((await fetchFrom('end')).toString()) as Omit<Served, 'requests'>
    agent.destroy()
    const [code, signal] = (await ended) as [number | null, string | null]
    if (code !== 0) throw new Error(`The server ended with ${code ?? signal}`)
    return { requests, ...told }
  } finally {
    agent.destroy()
    server.kill('SIGKILL')
  }
}

function check(number: number, answer: Buffer): void {
  const bytes = isPacked(number) ? inflateSync(answer) : answer
  if (!contentsOf(number).equals(bytes)) throw new Error(`The answer to request ${number} has wrong bytes`)
}
