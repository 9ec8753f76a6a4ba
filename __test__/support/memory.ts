/** What the process and the machine say of their memory, and ways to get there. */

import { readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { setMemoryLimit, stats } from 'cmalloc'
import { mayBeInUse } from 'cmalloc/native'
import { notRun } from './not-run.js'

export const MiB = 2 ** 20

/** `MemAvailable` of the machine (Linux). */
export function memAvailable(): number {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
  return Number(kib) * 1024
}

/** What must be the same again when everything was given back. */
export function live(): { liveBlocks: number; liveBytes: number; awaitingFinalizerBytes: number } {
  const { liveBlocks, liveBytes, awaitingFinalizerBytes } = stats()
  return { liveBlocks, liveBytes, awaitingFinalizerBytes }
}

/** Collects garbage and lets finalizers run until `done`, or for a few seconds. */
export async function collectUntil(done: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!done() && Date.now() < deadline) {
    globalThis.gc?.()
    // oxlint-disable-next-line no-await-in-loop -- each round needs its own turn of the event loop
    await turn()
  }
}

/**
 * Waits until nothing in this thread may be using bytes, as views end at once only then. As a file of tests begins, the
 * loader that translates it has a request in flight.
 */
export async function untilNothingIsInUse(): Promise<void> {
  const deadline = Date.now() + 10_000
  // oxlint-disable-next-line no-await-in-loop -- each round needs its own turn of the event loop
  while (mayBeInUse() && Date.now() < deadline) await turn()
}

/**
 * Each test of the file that calls this must give back what it took; they must be serial, so that the numbers are their
 * own. Returns what was alive before the test that runs.
 */
export function everythingIsGivenBack(): Readonly<ReturnType<typeof live>> {
  const before = live()
  test.serial.beforeEach(async () => {
    // What a failed test left behind must not change the counts of the next one as it is collected.
    await collectUntil(() => stats().liveBlocks === 0)
    await untilNothingIsInUse()
    Object.assign(before, live())
  })
  test.serial.afterEach('everything is given back', (t) => {
    t.deepEqual(live(), before)
  })
  return before
}

/** Lifts the limit of the process after each test of the file that calls this. */
export function noLimitIsLeftBehind(): void {
  test.serial.afterEach.always('no limit is left behind', () => {
    setMemoryLimit(null)
  })
}

/** Moves what is under an ArrayBuffer to another ArrayBuffer, which cmalloc was not told about. */
export async function escape({ buffer }: { buffer: ArrayBuffer }): Promise<ArrayBuffer> {
  if ('transfer' in buffer) return (buffer as unknown as { transfer(): ArrayBuffer }).transfer()
  // Node 20 has no `transfer`, but its byte streams take over the memory of what they are given.
  const stream = new ReadableStream({
    type: 'bytes',
    start: (controller) => controller.enqueue(new Uint8Array(buffer)),
  })
  const { value } = await stream.getReader().read()
  return (value as Uint8Array<ArrayBuffer>).buffer
}

/** A test of what only Linux offers. */
export function linuxTest(title: string, run: (t: ExecutionContext) => Promise<void> | void): void {
  if (process.platform === 'linux') test.serial(title, run)
  else notRun(title, 'Linux only')
}
