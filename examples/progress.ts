/** Allocates resident memory without holding up the event loop, and shows how far it is. Argument: MiB, or 2048. */

import { mallocAsync, type Progress } from 'cmalloc'

const MiB = 2 ** 20
const WIDTH = 40

function draw({ residentBytes, byteLength }: Progress): void {
  const done = Math.round((residentBytes / byteLength) * WIDTH)
  const bar = '█'.repeat(done).padEnd(WIDTH, '░')
  process.stdout.write(`\r${bar} ${Math.round(residentBytes / MiB)} of ${Math.round(byteLength / MiB)} MiB resident`)
}

async function main(): Promise<void> {
  const mebibytes = Number(process.argv[2] ?? 2048)
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort(new Error('Ctrl+C')))

  let turns = 0
  const clock = setInterval(() => turns++, 1)
  try {
    using block = await mallocAsync(mebibytes * MiB, 1, 'zero', { signal: controller.signal, onProgress: draw })
    console.log(`\n${block.byteLength} bytes at 0x${block.address.toString(16)}; a timer ran ${turns} times meanwhile`)
  } catch (error) {
    console.log(`\n${(error as Error).message}`)
    process.exitCode = 1
  } finally {
    clearInterval(clock)
  }
}

void main()
