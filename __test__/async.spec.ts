import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { malloc, mallocAsync, setMemoryLimit, stats, type Init, type NativeBuffer, type Progress } from 'cmalloc'
import * as native from 'cmalloc/native'
import { OWN } from './support/command.js'
import { live, MiB, untilNothingIsInUse } from './support/memory.js'
import { RUNTIMES, ROOT, nameOf, runFixture } from './support/run.js'

test.before(untilNothingIsInUse)

/** Several steps. */
const LONG = 100 * MiB

/** Whether so many bytes are left of the limit: also what an allocation under way holds counts against it. */
function fits(byteLength: number, limit: number): boolean {
  setMemoryLimit(limit)
  try {
    malloc(byteLength).free()
    return true
  } catch {
    return false
  } finally {
    setMemoryLimit(null)
  }
}

function everythingIsBack(t: ExecutionContext): void {
  t.is(stats().liveBytes, 0)
  t.true(fits(9 * MiB, 10 * MiB), 'the memory of an allocation that failed is given back')
}

test.serial.afterEach((t) => everythingIsBack(t))

const INITS: [name: string, init: Init | undefined][] = [
  ['no init', undefined],
  ["'zero'", 'zero'],
  ['the byte 0', 0],
  ['the byte 171', 171],
  ['a text of one byte', 'A'],
  ['a text', 'ABC'],
  ['a Uint8Array', Uint8Array.of(9, 8, 7, 6, 5, 4, 3)],
  ['a text longer than a step', 'x'.repeat(40 * MiB) + 'y'],
]

for (const [name, init] of INITS) {
  test.serial(`a block of mallocAsync is resident and holds ${name}`, async (t) => {
    for (const byteLength of [1, 4096, 3 * MiB + 5, LONG + 17]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other is what is tested
      using block = await mallocAsync(byteLength, 1, init)
      t.is(block.byteLength, byteLength)
      if (process.platform === 'linux') t.is(block.residentBytes(), byteLength)
      if (init === undefined) continue
      // Node repeats a pattern likewise.
      t.true(Buffer.alloc(byteLength, init === 'zero' ? 0 : init).equals(block.bytes), `${byteLength} bytes`)
    }
  })
}

test.serial('a block of mallocAsync is as long as count times size', async (t) => {
  using block = await mallocAsync(1000, 8)
  t.is(block.byteLength, 8000)
  t.is(stats().liveBytes, 8000)
})

test.serial('a pattern is copied as mallocAsync is called', async (t) => {
  const pattern = Uint8Array.of(1, 2, 3)
  const promise = mallocAsync(LONG, 1, pattern)
  pattern.fill(9)
  using block = await promise
  t.deepEqual(
    [...block.bytes.subarray(LONG - 4)],
    [3, 1, 2, 3].map((_, index) => 1 + ((LONG - 4 + index) % 3)),
  )
})

test.serial('what malloc throws is what the promise is rejected with, and nothing is thrown at once', async (t) => {
  const calls: [args: unknown[], code: string][] = [
    [[0], 'ERR_OUT_OF_RANGE'],
    [[-1, 8], 'ERR_OUT_OF_RANGE'],
    [['8'], 'ERR_INVALID_ARG_TYPE'],
    [[8, 1, 300], 'ERR_OUT_OF_RANGE'],
    [[8, 1, ''], 'ERR_INVALID_ARG_VALUE'],
    [[8, 1, null], 'ERR_INVALID_ARG_TYPE'],
    [[8, 1, 'zero', null], 'ERR_INVALID_ARG_TYPE'],
    [[8, 1, 'zero', 7], 'ERR_INVALID_ARG_TYPE'],
    [[8, 1, 'zero', { signal: {} }], 'ERR_INVALID_ARG_TYPE'],
    [[8, 1, 'zero', { signal: null }], 'ERR_INVALID_ARG_TYPE'],
    [[8, 1, 'zero', { signal: () => {} }], 'ERR_INVALID_ARG_TYPE'],
    [[8, 1, 'zero', { onProgress: 1 }], 'ERR_INVALID_ARG_TYPE'],
    [[Number.MAX_SAFE_INTEGER], 'ERR_CMALLOC_OUT_OF_MEMORY'],
  ]
  for (const [args, code] of calls) {
    const promise = (mallocAsync as (...args: unknown[]) => Promise<unknown>)(...args)
    // oxlint-disable-next-line no-await-in-loop -- one after the other is what is tested
    await t.throwsAsync(promise, { code }, JSON.stringify(args))
  }
})

test.serial('options that are undefined are as if they were not there', async (t) => {
  const blocks = await Promise.all([
    mallocAsync(8, 1, 1, undefined),
    mallocAsync(8, 1, 1, { signal: undefined, onProgress: undefined }),
  ])
  t.deepEqual(
    blocks.map((block) => block.bytes[7]),
    [1, 1],
  )
  for (const block of blocks) block.free()
})

test.serial('onProgress is told of every step, until everything is resident', async (t) => {
  const seen: Progress[] = []
  using block = await mallocAsync(LONG, 1, undefined, { onProgress: (progress) => seen.push(progress) })
  t.true(seen.length >= 3, `${seen.length} steps`)
  for (const [index, { residentBytes, byteLength }] of seen.entries()) {
    t.is(byteLength, block.byteLength)
    t.true(residentBytes > (seen[index - 1]?.residentBytes ?? 0))
  }
  t.is(seen.at(-1)?.residentBytes, LONG)
})

test.serial('an allocation under way counts against the memory limit', async (t) => {
  const promise = mallocAsync(LONG)
  t.false(fits(9 * MiB, LONG + 8 * MiB))
  t.true(fits(7 * MiB, LONG + 8 * MiB))
  const block = await promise
  t.false(fits(9 * MiB, LONG + 8 * MiB))
  block.free()
})

test.serial('mallocAsync is refused over the memory limit', async (t) => {
  setMemoryLimit(MiB)
  await t.throwsAsync(mallocAsync(MiB + 1), { code: 'ERR_CMALLOC_OUT_OF_MEMORY', instanceOf: RangeError })
  setMemoryLimit(null)
})

test.serial('what onProgress throws ends the allocation', async (t) => {
  const broken = new Error('broken')
  const promise = mallocAsync(LONG, 1, undefined, {
    onProgress: () => {
      throw broken
    },
  })
  t.is(await t.throwsAsync(promise), broken)
})

for (const [moment, abort] of [
  ['before the call', (controller) => controller.abort(new Error('why'))],
  ['after the call', (controller) => queueMicrotask(() => controller.abort(new Error('why')))],
  ['during a step', (controller) => setImmediate(() => controller.abort(new Error('why')))],
] as [string, (controller: AbortController) => void][]) {
  test.serial(`a signal that is aborted ${moment} ends the allocation, whose memory is back by then`, async (t) => {
    const controller = new AbortController()
    let steps = 0
    if (moment === 'before the call') abort(controller)
    const promise = mallocAsync(LONG, 1, undefined, { signal: controller.signal, onProgress: () => steps++ })
    if (moment !== 'before the call') abort(controller)
    const error = await t.throwsAsync(promise, { code: 'ABORT_ERR', name: 'AbortError' })
    everythingIsBack(t)
    t.like(error?.cause, { message: 'why' })
    t.true(steps < 3, `${steps} steps were told of`)
  })
}

test.serial('a signal that onProgress aborts ends the allocation, also after the last step', async (t) => {
  for (const at of [1, LONG]) {
    const controller = new AbortController()
    const onProgress = ({ residentBytes }: Progress): void => {
      if (residentBytes >= at) controller.abort()
    }
    // oxlint-disable-next-line no-await-in-loop -- one after the other is what is tested
    await t.throwsAsync(mallocAsync(LONG, 1, undefined, { signal: controller.signal, onProgress }), {
      code: 'ABORT_ERR',
    })
  }
})

test.serial('a signal is what has an aborted, as those of jsdom and of polyfills have', async (t) => {
  const mallocWith = (signal: object): Promise<NativeBuffer> =>
    mallocAsync(LONG, 1, 7, { signal: signal as AbortSignal })
  using block = await mallocWith({ aborted: false })
  t.is(block.bytes[LONG - 1], 7)
  const reason = new Error('why')
  const error = await t.throwsAsync(mallocWith({ aborted: true, reason }), { code: 'ABORT_ERR', name: 'AbortError' })
  t.is(error?.cause, reason)
  const later = Object.create({ aborted: false }) as { aborted: boolean }
  const promise = mallocWith(later)
  later.aborted = true
  await t.throwsAsync(promise, { code: 'ABORT_ERR' })
})

for (const looks of [1, 2, 3]) {
  test.serial(`a signal that throws as it is asked for the ${looks}. time rejects its allocation alone`, async (t) => {
    const broken = new Error('as planned')
    let asked = 0
    const signal = {
      get aborted() {
        if (++asked >= looks) throw broken
        return false
      },
    }
    const promise = mallocAsync(LONG, 1, 7, { signal: signal as AbortSignal })
    const next = mallocAsync(8, 1, 7)
    t.is(await t.throwsAsync(promise), broken)
    using block = await next
    t.is(block.bytes[7], 7)
  })
}

test.serial('a signal that is aborted afterwards does nothing', async (t) => {
  const controller = new AbortController()
  using block = await mallocAsync(LONG, 1, 7, { signal: controller.signal })
  controller.abort()
  await new Promise(setImmediate)
  t.is(block.bytes[LONG - 1], 7)
})

test.serial('the event loop goes on between the steps', async (t) => {
  let turns = 0
  let running = true
  const count = (): void => {
    turns += 1
    if (running) setImmediate(count)
  }
  count()
  const turnsAtStep: number[] = []
  using block = await mallocAsync(LONG, 1, undefined, { onProgress: () => turnsAtStep.push(turns) })
  running = false
  t.is(block.byteLength, LONG)
  const turned = new Set(turnsAtStep).size
  // Bun and Deno may end several steps in one turn.
  if (OWN === undefined) t.is(turned, turnsAtStep.length)
  t.true(turned > 1, `${turnsAtStep.join()} turns`)
})

test.serial('many allocations at once leave the thread pool to others', async (t) => {
  const order: string[] = []
  const allocations = Array.from({ length: 40 }, async () => {
    const block = await mallocAsync(33 * MiB)
    order.push('block')
    block.free()
  })
  const read = readFile(__filename).then(() => order.push('file'))
  await Promise.all([...allocations, read])
  t.true(order.indexOf('file') < 10, order.join(' '))
})

for (const node of RUNTIMES) {
  test.serial(`a thread or a process that ends while a block grows ends cleanly, on ${nameOf(node)}`, async (t) => {
    const { code, signal, stdout, stderr } = await runFixture('async-ends.js', [], { node })
    t.is(signal, null, stderr)
    t.is(code, 0, stderr)
    t.deepEqual(JSON.parse(stdout), { leakedAtTeardown: 0, liveBytes: 0, everythingIsBack: true })
  })
}

test.serial('the example with the progress bar ends with everything resident', async (t) => {
  const path = resolve(ROOT, 'examples/progress.ts')
  const { code, stdout, stderr } = await runFixture(path, ['70'], { flags: ['--import=tsx'] })
  t.deepEqual([code, stderr], [0, ''])
  const bars = stdout.split('\n')[0]!.split('\r').slice(1)
  // A step ends on the boundary of a huge page, and a block of another allocator may begin between two.
  const shown = bars.map((bar) => Math.ceil(Number(/(\d+) of 70 MiB resident$/.exec(bar)?.[1]) / 2) * 2)
  t.true(['32,64,70', '30,62,70'].includes(shown.join()), shown.join())
  t.is(bars.at(-1)?.slice(0, 40), '█'.repeat(40))
  t.regex(stdout, /^73400320 bytes at 0x[0-9a-f]+; a timer ran \d+ times meanwhile$/m)
})

test.serial('a IncrementalBlock is adopted once, and gone after cancel', async (t) => {
  const growing = new native.IncrementalBlock(3 * MiB, 5)
  t.is(growing.residentBytes(), 0)
  await growing.step(MiB)
  t.true(growing.residentBytes() > 0)
  const [slot, other] = [new native.Slot(), new native.Slot()]
  slot.adopt(growing)
  if (process.platform === 'linux') t.is(slot.residentBytes(), 3 * MiB, 'the rest is made resident')
  t.is(new Uint8Array(slot.buffer())[3 * MiB - 1], 5)
  t.throws(() => other.adopt(growing), { code: 'ERR_CMALLOC_FREED' })
  t.throws(() => growing.residentBytes(), { code: 'ERR_CMALLOC_FREED' })
  await growing.step(MiB)
  growing.cancel()
  const cancelled = new native.IncrementalBlock(3 * MiB)
  cancelled.cancel()
  t.throws(() => slot.adopt(cancelled), { code: 'ERR_INVALID_STATE' })
  t.throws(() => other.adopt(cancelled), { code: 'ERR_CMALLOC_FREED' })
  slot.free()
  t.throws(() => new native.IncrementalBlock(8, null, new Uint8Array()), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => new native.IncrementalBlock(0), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => new native.IncrementalBlock(8, 256), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => growing.step(0), { code: 'ERR_OUT_OF_RANGE' })
})

test.serial('a IncrementalBlock that is dropped gives its memory back', async (t) => {
  const limit = 200 * MiB
  // In functions that return, so that nothing holds on to the last one.
  await Promise.all([1, 2, 3].map(async () => await new native.IncrementalBlock(LONG).step(MiB)))
  for (let round = 0; round < 100 && !fits(150 * MiB, limit); round++) {
    globalThis.gc?.()
    // oxlint-disable-next-line no-await-in-loop -- each round needs its own turn of the event loop
    await new Promise(setImmediate)
  }
  t.true(fits(150 * MiB, limit))
  t.like(live(), { liveBytes: 0 })
})
