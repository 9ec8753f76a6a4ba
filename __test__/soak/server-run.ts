/**
 * `npm run soak:server [-- --seconds N] [--connections N] [--node V]`: a server under load, whose blocks end while its
 * answers are on their way. It must answer every byte right, and take less than 1.5 times the memory that it takes with
 * `Buffer`.
 */

import { parseArgs } from 'node:util'
import type { NodeVersion } from '../support/run.js'
import { serve, type Memory } from './serve.js'

const MiB = 2 ** 20
/** How much more memory than with `Buffer` is too much. */
const MOST = 1.5

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    connections: { type: 'string', default: '32' },
    node: { type: 'string' },
  },
})
const [seconds, connections] = [Number(values.seconds), Number(values.connections)]
const node = values.node === undefined ? undefined : (Number(values.node) as NodeVersion)

async function measure(memory: Memory): Promise<number> {
  const { requests, peak, letGoBlocks } = await serve({ memory, seconds, connections, node })
  console.log(`${memory}: ${requests} answers, ${Math.round(peak / MiB)} MiB at most, ${letGoBlocks} let go at the end`)
  return peak
}

async function main(): Promise<void> {
  console.log(`${connections} connections, ${seconds} seconds each, on Node ${node ?? process.versions.node}`)
  const buffer = await measure('Buffer')
  for (const memory of ['malloc', 'Pool'] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as each wants the machine
    const times = (await measure(memory)) / buffer
    console.log(`${times < MOST ? 'ok' : 'FAILED'}: ${times.toFixed(2)} times the memory of Buffer`)
    if (times >= MOST) process.exitCode = 1
  }
}

void main()
