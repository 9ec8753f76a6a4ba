import test, { type ExecutionContext } from 'ava'
import { codeBlocks, readDocument, table } from './support/readme.js'
import { debug, DEBUGGED_VERSIONS, normalise, ON, reports, type Debugged } from './support/debug-mode.js'
import { linuxTest } from './support/memory.js'
import { notRun } from './support/not-run.js'
import { IS_MUSL } from './support/system.js'
import { inTurn, nameOf, runSource, type Runtime } from './support/run.js'

const page = readDocument('docs/debug-mode.md')

interface ThrownError {
  code: string
  class: string
  message: string
}

let tests = 0

/** A test on one of the versions of Node by turns, or on each. */
function onEach(title: string, run: (t: ExecutionContext, node: Runtime) => Promise<void>, declare = test.serial) {
  for (const node of inTurn(tests++, DEBUGGED_VERSIONS)) declare(`${title}, on ${nameOf(node)}`, (t) => run(t, node))
}

/** The same, for what only Linux offers. */
function onEachOnLinux(title: string, run: (t: ExecutionContext, node: Runtime) => Promise<void>) {
  onEach(title, run, linuxTest as typeof test.serial)
}

/** And for what only its most common C library offers. */
const onEachOnGlibc =
  process.platform === 'linux' && !IS_MUSL ? onEachOnLinux : (title: string) => notRun(title, 'glibc only')

function ends(t: ExecutionContext, { code, signal, stderr }: Debugged, expected = 0): void {
  t.deepEqual({ code, signal }, { code: expected, signal: null }, stderr)
}

// The switch

const SWITCHES: [env: Record<string, string>, on: boolean][] = [
  [{ CMALLOC_DEBUG: '1' }, true],
  [{ DEBUG: '1' }, true],
  [{ DEBUG: '2', CMALLOC_DEBUG: '' }, true],
  [{ DEBUG: '0', CMALLOC_DEBUG: '1' }, true],
  [{ DEBUG: 'app:*', CMALLOC_DEBUG: '1' }, true],
  [{ DEBUG: '1', CMALLOC_DEBUG: '0' }, false],
  [{ DEBUG: '0' }, false],
  [{ DEBUG: 'app:*' }, false],
  [{ DEBUG: '' }, false],
  [{ CMALLOC_DEBUG: 'yes' }, false],
  [{}, false],
]

for (const [env, on] of SWITCHES) {
  onEach(`the debug mode is ${on ? 'on' : 'off'} with ${JSON.stringify(env)}`, async (t, node) => {
    const outcome = await debug(
      `
      const block = malloc(100)
      // Within what the C allocator really gives: without the mode, some give no byte more than asked for.
      if (usableSize(block.address) > 100) writePast(block)
      say(describe(thrown(() => block.free()))?.code ?? null)
      globalThis.kept = malloc(100)
      `,
      { node, env: { CMALLOC_DEBUG: '', DEBUG: '', ...env } },
    )
    ends(t, outcome)
    t.deepEqual(outcome.said, [on ? 'ERR_CMALLOC_CORRUPTED' : null])
    t.is(reports(outcome.stderr).length, on ? 2 : 0, outcome.stderr)
    if (!on) t.is(outcome.stderr, '')
  })
}

onEach('it is decided once, for all threads', async (t, node) => {
  const late = `process.env.CMALLOC_DEBUG = process.env.CMALLOC_DEBUG === '1' ? '0' : '1'
    const { Worker, SHARE_ENV } = require('node:worker_threads')
    const code = "const { malloc } = require('cmalloc'); const b = malloc(9, 1); console.log(b.bytes.every((byte) => byte === 0xa5)); b.free()"
    new Worker(code, { eval: true, env: SHARE_ENV })`
  t.deepEqual((await debug(late, { node })).said, [true])
  t.deepEqual((await debug(late, { node, env: { CMALLOC_DEBUG: '' } })).said, [false])
})

// Corruption

/** What a handle can be asked to do with its block, and what the report says of who found the damage. */
const CHECKS: Record<string, [call: string, found: string]> = {
  'handle.free()': ['block.free()', 'by free()'],
  'free(handle)': ['free(block)', 'by free()'],
  'handle.freeNow()': ['block.freeNow()', 'by free()'],
  dispose: ['block[Symbol.dispose ?? Symbol.for("nodejs.dispose")]()', 'by free()'],
  'resize to more': ['block.resize(200)', 'by resize()'],
  'resize to less': ['block.resize(50)', 'by resize()'],
  release: ['block.release()', 'by release()'],
  consume: ['globalThis.moved = consume(block, 100)', 'by consume()'],
  handOver: ['handOver(block)', 'by handOver()'],
}

function isCorruption(t: ExecutionContext, error: ThrownError, found: string, address: string): void {
  t.is(error.code, 'ERR_CMALLOC_CORRUPTED')
  t.is(error.class, 'Error')
  const [first, ...lines] = error.message.split('\n')
  t.is(first, `Memory was written to past the end of a block. Found ${found}`)
  t.deepEqual(lines.slice(0, 4), [
    `  block: ${address} of 100 bytes`,
    '  first bad byte: at offset 100, expected 0xfb, found 0x41',
    '  bad bytes: 1 of the 64 after the block',
    '  allocated:',
  ])
  t.regex(lines[4]!, /^ {4}at allocatedHere /, 'the stack begins with the caller of malloc')
}

for (const [name, [call, found]] of Object.entries(CHECKS)) {
  for (const viewed of [false, true]) {
    onEach(`${name} finds a write past the end${viewed ? ' of a block with views' : ''}`, async (t, node) => {
      const outcome = await debug(
        `
        const block = allocatedHere(100)
        const bytes = ${viewed} ? block.bytes : undefined
        say(block.address)
        writePast(block)
        say(describe(thrown(() => ${call})))
        say([block.freed, block.byteLength, bytes?.length])
        say(describe(thrown(() => ${call})))
        if (!block.freed) block.free()
        say(stats().liveBlocks)
        `,
        { node },
      )
      type Said = [string, ThrownError, unknown, ThrownError | null, number]
      const [address, error, state, again, live] = outcome.said as Said
      isCorruption(t, error, found, address)
      t.is(reports(outcome.stderr)[0], `cmalloc: ${error.message}\n`)
      if (found === 'by free()') {
        t.deepEqual(state, [true, 0, viewed ? 0 : null], 'it is freed')
        t.is(again?.code, name === 'dispose' ? undefined : 'ERR_CMALLOC_FREED')
      } else {
        t.deepEqual(state, [false, 100, viewed ? 100 : null], 'nothing has changed')
        t.is(again, null, 'each damage is told once')
      }
      const left = { release: 0, consume: 1, handOver: 1 }[name] ?? 0
      t.is(live, left)
      t.is(reports(outcome.stderr).length, left === 0 ? 1 : 2, 'and a report of the block that moved on')
      ends(t, outcome)
    })
  }
}

onEach('a write to any byte of the redzone is found, and none to the block itself', async (t, node) => {
  const outcome = await debug(
    `
    for (const length of [1, 7, 24, 100, 4096, 100_000, 3_000_000]) {
      const block = malloc(length)
      memset(block.address, 0x41, length)
      block.free()
      for (let past = 0; past < 64; past += length > 1000 ? 21 : 1) {
        const block = malloc(length)
        writePast(block, past)
        const { message } = thrown(() => block.free())
        if (!message.includes(\`at offset \${length + past}, expected 0xfb, found 0x41\`)) say([length, past, message])
      }
    }
    const block = malloc(10)
    memset(block.address + 12n, 0, 30)
    say(thrown(() => block.free()).message)
    `,
    { node },
  )
  t.is(outcome.said.length, 1)
  t.regex(outcome.said[0] as string, /at offset 12, expected 0xfb, found 0x00\n {2}bad bytes: 30 of the 64/)
  ends(t, outcome)
})

onEach('the redzone follows the end of a block wherever it is resized, moved or copied to', async (t, node) => {
  const outcome = await debug(
    `
    const seven = NativeBuffer.from(new Uint8Array(7))
    const makers = {
      malloc: () => malloc(7), zero: () => malloc(7, 1, 'zero'), byte: () => malloc(7, 1, 65), text: () => malloc(7, 1, 'ab'),
      from: () => NativeBuffer.from(new Uint8Array(7)), slice: () => seven.slice(),
      grown: () => malloc(3).resize(7), shrunk: () => malloc(900).resize(7),
      'consumed handle': () => consume(malloc(400), 7), 'consumed block': () => consume({ address: mallocInC(3) }, 7),
      'long consumed block': () => consume({ address: mallocInC(3000) }, 7), 'taken over': () => takeOver(handOver(malloc(7))),
    }
    for (const [name, make] of Object.entries(makers)) {
      make().free()
      const block = make()
      writePast(block)
      say([name, /at offset (\\d+)/.exec(thrown(() => block.free())?.message)?.[1]])
    }
    seven.free()
    say(stats().liveBlocks)
    `,
    { node },
  )
  t.is(outcome.said.length, 13)
  for (const [name, offset] of outcome.said.slice(0, -1) as [string, string][]) t.is(offset, '7', name)
  t.is(outcome.said.at(-1), 0)
  ends(t, outcome)
})

onEach('a block that is left to another ArrayBuffer is checked too', async (t, node) => {
  const outcome = await debug(
    `
    const block = allocatedHere(100)
    const moved = structuredClone(block.buffer, { transfer: [] })
    const stream = new ReadableStream({ type: 'bytes', start: (to) => to.enqueue(new Uint8Array(block.buffer)) })
    stream.getReader().read().then(({ value }) => {
      say(block.address)
      writePast(block)
      say(describe(thrown(() => block.free())))
      say([block.freed, value.byteLength])
      globalThis.value = value
    })
    `,
    { node },
  )
  const [address, error, state] = outcome.said as [string, ThrownError, unknown]
  isCorruption(t, error, 'by free()', address)
  t.deepEqual(state, [true, 100], 'the bytes live on')
  t.is(reports(outcome.stderr).length, 1, 'its handle was freed: it is no leak')
  ends(t, outcome)
})

for (const viewed of [false, true]) {
  const title = `a dropped block${viewed ? ' with views' : ''} is checked as it is collected, and the process exits with 1`
  onEach(title, async (t, node) => {
    const outcome = await debug(
      `
      ;(() => {
        const block = allocatedHere(100)
        if (${viewed}) block.bytes
        writePast(block)
      })()
      collect(() => stats().liveBytes === 0).then(() => say(stats().liveBytes))
      `,
      { node },
    )
    t.deepEqual(outcome.said, [0])
    t.is(reports(outcome.stderr).length, 1)
    t.regex(outcome.stderr, /Found as its memory was given back\n.*of 100 bytes\n[^]*at allocatedHere /)
    ends(t, outcome, 1)
  })
}

onEach('a block that is still alive is checked at exit, once, and the process exits with 1', async (t, node) => {
  const source = 'globalThis.block = allocatedHere(100); writePast(block);'
  const outcome = await debug(source, { node })
  ends(t, outcome, 1)
  const [corruption, leak, ...others] = reports(outcome.stderr)
  t.regex(corruption!, /Found at exit\n.* of 100 bytes\n.*at offset 100, expected 0xfb, found 0x41\n/)
  t.regex(leak!, /^cmalloc: 1 block was never freed, 100 bytes in all\n/)
  t.deepEqual(others, [])
  ends(t, await debug(`${source} process.exit()`, { node }), 1)
  ends(t, await debug(`${source} process.exit(0)`, { node }), 1)
  ends(t, await debug(`${source} process.exit(7)`, { node }), 7)
  ends(t, await debug('globalThis.block = malloc(100)', { node }), 0)
})

onEachOnGlibc('the report comes before C frees a block, and aborts over the header behind it', async (t, node) => {
  const outcome = await debug(
    `
    // Two blocks side by side, too long for the cache of which free checks little.
    const LENGTH = 5000, CHUNK = BigInt(LENGTH + 64 + 8)
    const blocks = [malloc(LENGTH), malloc(LENGTH)]
    while (blocks.at(-1).address - blocks.at(-2).address !== CHUNK) blocks.push(malloc(LENGTH))
    const block = blocks.at(-2)
    say(block.address)
    memset(block.address, 0x41, Number(CHUNK)) // up to the header of the block behind it, and all of that
    block.free()
    `,
    { node },
  )
  t.deepEqual([outcome.code, outcome.signal], [null, 'SIGABRT'])
  const [report, ...others] = reports(outcome.stderr)
  t.true(
    report!.startsWith('cmalloc: Memory was written to past the end of a block. Found by free()\n'),
    outcome.stderr,
  )
  t.true(report!.includes(`block: ${outcome.said[0]} of 5000 bytes\n`), report)
  t.true(report!.includes('bad bytes: 64 of the 64 after the block\n'), report)
  t.deepEqual(others, [])
})

const WORKER = `
  const { Worker } = require('node:worker_threads')
  const inWorker = (source, workerData) => new Promise((done) => new Worker(source, { eval: true, workerData }).on('exit', done))
`

onEach('a thread that ends checks and reports its own blocks, and no others', async (t, node) => {
  const outcome = await debug(
    `${WORKER}
    const other = malloc(50)
    inWorker("globalThis.block = require('cmalloc').malloc(100)").then((code) => {
      say(code)
      other.free()
    })`,
    { node },
  )
  t.deepEqual(outcome.said, [0])
  t.is(reports(outcome.stderr).length, 1)
  t.regex(
    outcome.stderr,
    /^cmalloc: 1 block was never freed by a thread that ends, 100 bytes in all\n.* of 100 bytes\n/m,
  )
  ends(t, outcome)
})

onEach('a handed over block keeps the stack of its allocation, and is checked in its new thread', async (t, node) => {
  const outcome = await debug(
    `${WORKER}
    const block = allocatedHere(100)
    const { address } = block
    const worker = "const { takeOver } = require('cmalloc'), { workerData: [ticket, address] } = require('node:worker_threads');" +
      "const block = takeOver(ticket); require('koffi').load(process.platform === 'win32' ? 'ucrtbase.dll' : null)" +
      ".func('void *memset(void *to, int byte, size_t count)')(address + 100n, 0x41, 1);" +
      "try { block.free() } catch (e) { console.log(JSON.stringify(e.message)) }"
    inWorker(worker, [handOver(block), address]).then((code) => say(code))
    `,
    { node },
  )
  const [message, code] = outcome.said as [string, number]
  t.regex(message, /Found by free\(\)\n.* of 100 bytes\n[^]*at allocatedHere /)
  t.is(code, 0)
  t.is(reports(outcome.stderr).length, 1)
  ends(t, outcome)
})

onEach('a block that nobody took over is in the report at exit', async (t, node) => {
  const outcome = await debug('handOver(allocatedHere(100))', { node })
  t.regex(outcome.stderr, /^cmalloc: 1 block was never freed, 100 bytes in all\n[^]*at allocatedHere /)
  ends(t, outcome)
})

onEach('a released block is what malloc returned, and nobody watches it', async (t, node) => {
  const outcome = await debug(
    `
    const block = malloc(100)
    const { address } = block
    const released = block.release()
    memset(released, 0x41, 100 + 64)
    freeInC(released)
    const back = consume({ address: malloc(100).release() }, 100)
    writePast(back)
    say([released === address, thrown(() => back.free()).code])
    `,
    { node },
  )
  t.deepEqual(outcome.said, [[true, 'ERR_CMALLOC_CORRUPTED']])
  t.is(reports(outcome.stderr).length, 1)
  ends(t, outcome)
})

onEachOnLinux('a foreign block that could not be resized has no redzone until it is resized', async (t, node) => {
  const outcome = await debug(
    `
    const { limitGrowth } = require('./__test__/support/libc.ts')
    const address = mallocInC(100)
    const held = usableSize(address)
    const neighbour = mallocInC(100) // which a redzone would overwrite
    memset(neighbour, 7, 100)
    process.removeAllListeners('warning')
    limitGrowth(2 ** 26) // V8 needs some of it
    const block = consume({ address }, 300_000_000)
    limitGrowth(null)
    const bytes = Buffer.alloc(100)
    memcpy(bytes, neighbour, 100)
    say([block.byteLength === held, bytes.every((byte) => byte === 7)])
    block.resize(50)
    writePast(block)
    say(thrown(() => block.free()).code)
    freeInC(neighbour)
    `,
    { node, flags: ['--import=tsx'] },
  )
  t.deepEqual(outcome.said, [[true, true], 'ERR_CMALLOC_CORRUPTED'])
  ends(t, outcome)
})

// Patterns

onEach('bytes that nobody has written to are 0xa5', async (t, node) => {
  const outcome = await debug(
    `
    const all = (block, from, byte) => block.bytes.subarray(from).every((other) => other === byte)
    const grown = malloc(10, 1, 'A')
    const blocks = {
      malloc: [malloc(1000), 0, 0xa5], large: [malloc(3_000_000), 0, 0xa5], zero: [malloc(1000, 1, 'zero'), 0, 0],
      byte: [malloc(1000, 1, 65), 0, 65], resize: [malloc(10, 1, 'A').resize(1000), 10, 0xa5],
      'resize with init': [malloc(10, 1, 'A').resize(1000, 66), 10, 66], 'consumed handle': [consume(malloc(10), 1000), 10, 0xa5],
      'consumed block': [consume({ address: mallocInC(10) }, 1000), 100, 0xa5],
    }
    for (const [name, [block, from, byte]] of Object.entries(blocks)) {
      say([name, all(block, from, byte), block.residentBytes() === block.byteLength])
      block.free()
    }
    say([grown.resize(5).resize(9).bytes.join()])
    grown.free()
    `,
    { node },
  )
  t.is(outcome.said.length, 9)
  for (const [name, ...right] of outcome.said.slice(0, -1) as [string, ...boolean[]][])
    t.deepEqual(right, [true, true], name)
  t.deepEqual(outcome.said.at(-1), ['65,65,65,65,65,165,165,165,165'])
  t.is(outcome.stderr, '')
})

onEachOnLinux('freed memory is poisoned', async (t, node) => {
  for (const [env, expected] of [
    [{}, 0xdf],
    [{ CMALLOC_DEBUG: '0' }, 0x41],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one process after the other
    const outcome = await debug(
      `
      const bytes = Buffer.alloc(100_000)
      memcpy(bytes, bytes.subarray(1), 1) // bound now, not between the free and the look
      const block = malloc(100_000, 1, 65), guard = malloc(10)
      const { address } = block
      block.free()
      memcpy(bytes, address, 100_000)
      say(bytes.filter((byte) => byte === ${expected}).length)
      guard.free()
      `,
      { node, env },
    )
    // The runtime's other threads may have used some of it already.
    t.true((outcome.said[0] as number) > 10_000, `${outcome.said[0]} bytes are ${expected}`)
    ends(t, outcome)
  }
})

// Errors

const ENDINGS = {
  'free()': 'block.free()',
  'freeNow()': 'block.freeNow()',
  'release()': 'globalThis.address = block.release()',
  'consume()': 'globalThis.moved = consume(block, 8)',
  'handOver()': 'globalThis.ticket = handOver(block)',
}

for (const [operation, call] of Object.entries(ENDINGS)) {
  onEach(`the error for a handle that ${operation} ended has both stacks`, async (t, node) => {
    const source = `
      const endedHere = (block) => { ${call} }
      const block = allocatedHere(8)
      endedHere(block)
      const error = thrown(() => block.fill(0))
      say([error.code, error.cause?.message, error.cause?.stack, error.cause?.cause?.message, error.cause?.cause?.stack])
      say(Object.keys(error))`
    const on = await debug(source, { node })
    const [[code, ended, endedStack, allocated, allocatedStack], keys] = on.said as [string[], string[]]
    t.is(code, 'ERR_CMALLOC_FREED')
    t.is(ended, `The block was given up here, by ${operation}`)
    t.regex(endedStack!, /^Error: The block was given up here, by .*\n {4}at endedHere /)
    t.is(allocated, 'The block was allocated here')
    t.regex(allocatedStack!, /^Error: The block was allocated here\n {4}at allocatedHere /)
    t.deepEqual(keys, ['code'])
    const off = await debug(source, { node, env: { CMALLOC_DEBUG: '0' } })
    t.deepEqual(off.said, [['ERR_CMALLOC_FREED', null, null, null, null], ['code']])
  })
}

onEach('the stacks are those of the first free and of the first allocation', async (t, node) => {
  const outcome = await debug(
    `
    const moved = consume(allocatedHere(8), 9)
    const first = (block) => block.free(), second = (block) => block.free()
    first(moved)
    thrown(() => second(moved))
    const error = thrown(() => second(moved))
    say([error.cause.stack, error.cause.cause.stack])
    `,
    { node },
  )
  const [[freed, allocated]] = outcome.said as [[string, string]]
  t.regex(freed, /\n {4}at first /)
  t.regex(allocated, /\n {4}at allocatedHere /)
})

onEach('whatever a program does with stacks, blocks are allocated and freed', async (t, node) => {
  for (const setup of [
    'Error.stackTraceLimit = 0',
    'delete Error.stackTraceLimit',
    'Error.prepareStackTrace = () => { throw new Error("no") }',
    'Error.prepareStackTrace = (_, frames) => frames',
    'Error.prepareStackTrace = () => { malloc === undefined; return 1n }',
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one process after the other
    const outcome = await debug(
      `${setup}
      const block = malloc(10)
      block.free()
      say(thrown(() => block.free()).code)
      globalThis.kept = malloc(1)`,
      { node },
    )
    t.deepEqual(outcome.said, ['ERR_CMALLOC_FREED'], setup)
    t.regex(
      outcome.stderr,
      /^cmalloc: 1 block was never freed, 1 byte in all\n.*\n {2}allocated:\n {4}\(there is no stack\)\n$/,
    )
    ends(t, outcome)
  }
})

// consume

onEachOnLinux('consume refuses addresses at which there can be no block, before it looks there', async (t, node) => {
  const outcome = await debug(
    `
    const mappings = require('node:fs').readFileSync('/proc/self/maps', 'utf8').split('\\n')
    const find = (permissions) => BigInt('0x' + mappings.find((line) => line.split(' ')[1] === permissions).split('-')[0])
    const addresses = { low: 16n, high: 2n ** 63n, last: 2n ** 64n - 8n, code: find('r-xp') + 64n, constants: find('r--p') + 64n,
      number: 4096 }
    for (const [name, address] of Object.entries(addresses)) {
      const source = { address }
      const error = describe(thrown(() => consume(source, 100)))
      say([name, error.class, error.code, error.message, source.address === address])
    }
    // An address inside of a handle's block is told as such, whatever glibc's books would say of it.
    const { address } = malloc(100, 1, 'mine')
    for (const offset of [0n, 16n, 48n]) say(thrown(() => consume({ address: address + offset }, 100)).code)
    consume({ address: mallocInC(100) }, 100).free()
    consume({ address: mallocInC(1_000_000) }, 100).free()
    `,
    { node },
  )
  t.is(outcome.said.length, 9)
  for (const [name, ...error] of outcome.said.slice(0, 6) as [string, ...unknown[]][]) {
    t.deepEqual(error.toSpliced(2, 1), ['TypeError', 'ERR_INVALID_ARG_VALUE', true], name)
    t.regex(error[2] as string, /^The address 0x[0-9a-f]+ is not mapped and writable memory of this process, so that /)
  }
  t.deepEqual(outcome.said.slice(6), Array(3).fill('ERR_CMALLOC_ALREADY_OWNED'))
  ends(t, outcome)
})

onEachOnGlibc(
  'consume refuses mapped memory that is none of malloc, without following what it finds there',
  async (t, node) => {
    const outcome = await debug(
      `
    const mmap = libc.func('void *mmap(void *at, size_t length, int protection, int flags, int file, int64_t offset)')
    const munmap = libc.func('int munmap(void *at, size_t length)')
    // Whatever is mapped for good comes before: it could fill the hole.
    malloc(2 ** 20).free()
    const zeros = mmap(null, 8192, 3, 0x22, -1, 0)
    const mapping = mmap(null, 8192, 3, 0x22, -1, 0)
    munmap(mapping, 4096)
    const addresses = { 'start of a mapping': mapping + 4096n, 'zeros before it': zeros + 4096n }
    for (const byte of [0x01, 0x10, 0x7f, 0x80, 0xff]) {
      const address = malloc(4096, 1, byte).release()
      addresses['filled with ' + byte] = address + 2048n
    }
    for (const [name, address] of Object.entries(addresses)) {
      const source = { address }
      const error = describe(thrown(() => consume(source, 100)))
      say([name, error.code, error.message.replace(/0x[0-9a-f]+/, '0x0').replace(/\\d{5,}/, 'N'), source.address === address])
    }
    for (const length of [1, 24, 100, 5000, 100_000, 200_000, 50_000_000]) consume({ address: mallocInC(length) }, 100).free()
    `,
      { node },
    )
    t.is(outcome.said.length, 7)
    const none = 'The address 0x0 does not begin a block of malloc: '
    for (const [index, [name, code, message, kept]] of (
      outcome.said as [string, string, string, boolean][]
    ).entries()) {
      t.deepEqual([code, kept], ['ERR_INVALID_ARG_VALUE', true], name)
      const reason =
        [
          "the memory before it, where malloc keeps a block's size, is not mapped and writable",
          'such a block would have 8 bytes, and none is so small',
        ][index] ?? 'such a block would have N bytes, not all of which are mapped and writable memory of this process'
      t.is(message, none + reason, name)
    }
    ends(t, outcome)
  },
)

// The report at exit

onEach('the report at exit names what was never freed, the oldest first, and nothing else', async (t, node) => {
  const outcome = await debug(
    `
    const later = malloc(1)
    const second = () => malloc(200), third = () => consume({ address: mallocInC(10) }, 300)
    globalThis.kept = [allocatedHere(100), second(), third(), malloc(5).resize(400)]
    malloc(2).free()
    freeInC(malloc(3).release())
    say(kept.map((block) => block.address))
    ;(() => { malloc(4) })()
    collect(() => stats().collectedFrees > 0).then(() => later.free())
    `,
    { node },
  )
  ends(t, outcome)
  const [head, ...blocks] = outcome.stderr.split(/^(?= {2}block: )/m)
  t.is(head, 'cmalloc: 4 blocks were never freed, 1000 bytes in all\n')
  const [addresses] = outcome.said as [string[]]
  const expected: [number, RegExp][] = [
    [100, /at allocatedHere /],
    [200, /at second /],
    [300, /at third /],
    [400, /./],
  ]
  for (const [index, [length, stack]] of expected.entries()) {
    t.true(
      blocks[index]!.startsWith(`  block: ${addresses[index]} of ${length} bytes\n  allocated:\n    at `),
      blocks[index],
    )
    t.regex(blocks[index]!, stack)
  }
  t.is(blocks.length, 4)
})

onEach('a program that frees everything prints nothing', async (t, node) => {
  const outcome = await debug(
    `
    const block = malloc(100)
    block.bytes.fill(1)
    block.resize(1000)
    takeOver(handOver(consume(block.slice(), 5))).free()
    free(block)
    `,
    { node },
  )
  ends(t, outcome)
  t.is(outcome.stderr, '')
})

// Blocks that are let go

/** A request that is in flight until the event loop turns, and functions whose names must be in the stacks. */
const IN_FLIGHT = `
  const fs = require('node:fs')
  const { Pool } = require('cmalloc/pool')
  const file = fs.openSync(process.execPath)
  const inFlight = () => fs.read(file, Buffer.alloc(1), 0, 1, 0, () => {})
  const viewedHere = (block) => { block.bytes[0] = 1; return block }
  const freedHere = (block) => block.free()
`

onEach('blocks that are let go while a request is in flight are named by place, once each', async (t, node) => {
  const program = `
    ${IN_FLIGHT}
    const pool = new Pool({ retainBytes: 10_000 })
    inFlight()
    for (let round = 0; round < 3; round++) freedHere(viewedHere(malloc(100)))
    const disposedHere = (block) => block[Symbol.dispose ?? Symbol.for('nodejs.dispose')]()
    disposedHere(viewedHere(pool.malloc(7)))
    const resizedHere = (block) => block.resize(20)
    const moved = resizedHere(viewedHere(malloc(1)))
    viewedHere(moved).freeNow()
    freedHere(malloc(1000)) // of which nobody has seen the bytes
  `
  const outcome = await debug(program, { node })
  ends(t, outcome)
  const said = reports(outcome.stderr)
  const hint = 'perhaps an `await` is missing\n'
  const expected: [head: string, place: RegExp][] = [
    [`free() let 3 blocks go while a request was in flight, 300 bytes in all: ${hint}`, /at freedHere /],
    [`free() let 1 block go while a request was in flight, 7 bytes: ${hint}`, /at disposedHere /],
    [`resize() let 1 block go while a request was in flight, 1 byte: ${hint}`, /at resizedHere /],
  ]
  t.is(said.length, expected.length, outcome.stderr)
  for (const [index, [head, place]] of expected.entries()) {
    const [first, end, view] = said[index]!.split(/^ {2}(?:let go|viewed first):\n/m)
    t.is(first, `cmalloc: ${head}`)
    t.regex(end!.split('\n')[0]!, place)
    t.regex(view!.split('\n')[0]!, /at viewedHere /)
  }
  const off = await debug(program, { node, env: { CMALLOC_DEBUG: '0' } })
  ends(t, off)
  t.is(off.stderr, '')
})

onEach('a free with nothing in flight, or of what was awaited, names no place', async (t, node) => {
  const outcome = await debug(
    `
    ${IN_FLIGHT}
    freedHere(viewedHere(malloc(100)))
    ;(async () => {
      const block = malloc(100)
      await new Promise((done) => fs.read(file, block.bytes, 0, 100, 0, done))
      block.free()
    })()
    `,
    { node },
  )
  ends(t, outcome)
  t.is(outcome.stderr, '')
})

onEach('the report of places is bounded', async (t, node) => {
  const outcome = await debug(
    `
    ${IN_FLIGHT}
    inFlight()
    const block = 'const block = malloc(1); block.bytes; block.free()'
    new Function('malloc', Array(1003).fill('{ ' + block + ' }').join('\\n'))(malloc)
    `,
    { node },
  )
  ends(t, outcome)
  const said = reports(outcome.stderr)
  t.is(said.length, 22)
  t.true(said.slice(0, 20).every((report) => report.startsWith('cmalloc: free() let 1 block go ')))
  t.deepEqual(said.slice(20), [
    'cmalloc: Blocks were let go while a request was in flight at 980 places more\n',
    'cmalloc: So were 3 blocks at other places, which are too many to tell apart\n',
  ])
})

onEach('damage that is found as a promise ends a pin ends the program', async (t, node) => {
  const outcome = await debug(
    `
    const block = allocatedHere(100)
    block.pin(Promise.resolve())
    block[Symbol.dispose ?? Symbol.for('nodejs.dispose')]()
    writePast(block)
    process.on('uncaughtException', (error, origin) => {
      say([error.code, origin, block.freed])
      process.exitCode = 3
    })
    `,
    { node },
  )
  ends(t, outcome, 3)
  t.deepEqual(outcome.said, [['ERR_CMALLOC_CORRUPTED', 'uncaughtException', true]])
  t.is(reports(outcome.stderr).length, 1)
})

onEach('damage that is found after use() is its error, unless the work has one', async (t, node) => {
  const outcome = await debug(
    `
    const works = {
      returns: (block) => writePast(block),
      throws: (block) => { writePast(block); throw Object.assign(new Error(), { code: 'OWN' }) },
      fulfilled: async (block) => writePast(block),
      rejected: async (block) => { writePast(block); throw Object.assign(new Error(), { code: 'OWN' }) },
    }
    ;(async () => {
      for (const [name, work] of Object.entries(works)) {
        const block = malloc(100)
        try {
          const result = block.use(() => work(block))
          say([name, result instanceof Promise])
          await result
        } catch (error) {
          say([name, error.code, block.freed])
        }
      }
    })()
    `,
    { node },
  )
  ends(t, outcome)
  t.deepEqual(outcome.said, [
    ['returns', 'ERR_CMALLOC_CORRUPTED', true],
    ['throws', 'OWN', true],
    ['fulfilled', true],
    ['fulfilled', 'ERR_CMALLOC_CORRUPTED', true],
    ['rejected', true],
    ['rejected', 'OWN', true],
  ])
  t.is(reports(outcome.stderr).length, 4, 'each damage is reported')
})

// The page

const programs = codeBlocks(page, 'js')
const outputs = codeBlocks(page, 'text')

test('each program of the page is followed by what it prints', (t) => {
  t.true(programs.length >= 8)
  t.deepEqual(
    programs.map(({ title }) => title),
    outputs.map(({ title }) => title),
  )
})

for (const [index, { title, source }] of programs.entries()) {
  const declare =
    { 'An address that no block can have': onEachOnLinux, "What glibc's books say": onEachOnGlibc }[title] ?? onEach
  declare(`program ${index + 1} of the page, "${title}", prints what the page says`, async (t, node) => {
    const { code, signal, stdout, stderr } = await runSource(source, { node, env: ON })
    t.deepEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: '' }, stderr)
    t.is(normalise(stderr), `${outputs[index]!.source}\n`)
  })
}

test('the page lists everybody who finds damage', (t) => {
  const [head, ...rows] = table(page, 'Who found it')
  const tested = new Set([
    ...Object.values(CHECKS).map(([, found]) => found),
    'as its memory was given back',
    'at exit',
  ])
  t.deepEqual(head, ['Found', 'when'])
  t.deepEqual(
    rows.map(([found]) => found),
    [...tested].map((found) => `\`${found}\``),
  )
})
