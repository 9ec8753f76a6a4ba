import test from 'ava'
import { consume, malloc, NativeBuffer, type Init } from 'cmalloc'
import { hugePageSize, mapsOnHugePages } from './support/huge-pages.js'
import * as libc from './support/libc.js'
import { linuxTest, MiB, untilNothingIsInUse } from './support/memory.js'
import { notRun } from './support/not-run.js'
import { runFixture, runSource } from './support/run.js'

test.before(untilNothingIsInUse)

const TYPESCRIPT = { flags: ['--import=tsx', '--expose-gc'] }

const page = process.platform === 'win32' ? 4096 : libc.getpagesize()

const SIZES = [1, 2, page - 1, page, page + 1, 65_535, 65_536, 65_537, 300_001, 4 * MiB + 3, 40 * MiB + 1]

const INITS: Record<string, Init | undefined> = {
  'no init': undefined,
  "'zero'": 'zero',
  'the byte 0': 0,
  'the byte 171': 171,
  'a text': 'AB',
  'a text longer than a page': 'x'.repeat(70_000),
  'a Uint8Array': new Uint8Array(5),
}

for (const [name, init] of Object.entries(INITS)) {
  test.serial(`blocks of any size are fully resident with ${name}`, (t) => {
    for (const size of SIZES) {
      const block = malloc(size, 1, init)
      t.is(block.residentBytes(), size)
      block.free()
    }
  })

  test.serial(`blocks that resize has grown are fully resident with ${name}`, (t) => {
    for (const size of SIZES.slice(1)) {
      const block = malloc(1).resize(size, init)
      t.is(block.residentBytes(), size)
      block.free()
    }
  })
}

test.serial('blocks that were filled, copied, consumed and moved are fully resident', (t) => {
  for (const size of SIZES) {
    const blocks = [
      malloc(size).fill('AB'),
      NativeBuffer.from(Buffer.alloc(size)),
      malloc(size, 1, 'x').slice(0, Math.ceil(size / 2)),
      consume({ address: libc.malloc(1) }, size),
      consume({ address: libc.malloc(size) }, size),
      consume({ address: libc.calloc(size, 1) }, size),
      consume(malloc(1), size),
      consume(malloc(size + 1), size),
    ]
    for (const block of blocks) {
      t.is(block.residentBytes(), block.byteLength)
      block.free()
    }
  }
})

test.serial('many small blocks are fully resident, and so are those that follow in their memory', (t) => {
  for (let round = 0; round < 3; round++) {
    const blocks = Array.from({ length: 2000 }, (_, index) => malloc(1 + ((index * 37) % 9000)))
    t.deepEqual(
      blocks.filter((block) => block.residentBytes() !== block.byteLength).map(({ byteLength }) => byteLength),
      [],
    )
    for (const block of blocks) block.free()
  }
})

test.serial('blocks in memory that was freed before are fully resident', (t) => {
  for (const size of [page, 100_000, 4 * MiB, 16 * MiB, 40 * MiB]) {
    for (let round = 0; round < 10; round++) {
      const block = malloc(size)
      t.is(block.residentBytes(), size)
      block.free()
    }
  }
})

// What the system says, against what residentBytes() says

for (const way of [
  'uninitialised',
  'zero',
  'zero byte',
  'byte',
  'text',
  'pattern',
  'elements',
  'growth by resize',
  'growth by resize with an init',
  'growth by consume',
  'consume of what nobody has touched',
  'growth by consume of a handle',
]) {
  linuxTest(`a block of 256 MiB is in the resident set of the process, and leaves it when freed: ${way}`, async (t) => {
    const { stdout, stderr, code } = await runFixture('residency-rss.js', [way], TYPESCRIPT)
    t.is(code, 0, stderr)
    const { grown, residentBytes, shrunk } = JSON.parse(stdout) as Record<'grown' | 'residentBytes' | 'shrunk', number>
    t.is(residentBytes, 256 * MiB)
    for (const bytes of [grown, shrunk]) {
      t.true(Math.abs(bytes / (256 * MiB) - 1) < 0.02, `grown by ${grown}, shrunk by ${shrunk}`)
    }
  })
}

linuxTest('a Buffer of as many zeros, in contrast, is only promised', async (t) => {
  const { stdout } = await runSource(`
    const before = process.memoryUsage.rss()
    const buffer = Buffer.alloc(${256 * MiB})
    console.log(process.memoryUsage.rss() - before, buffer.length)
  `)
  const [grown, length] = stdout.split(' ').map(Number)
  t.is(length, 256 * MiB)
  t.true(grown! < 16 * MiB, `grown by ${grown}`)
})

linuxTest('residentBytes says what the system says: less, once it has dropped pages', (t) => {
  const block = malloc(2 * MiB + 5, 1, 1)
  const firstPage = (block.address / BigInt(page) + 1n) * BigInt(page)
  libc.dropPages(firstPage, 100 * page)
  t.is(block.residentBytes(), block.byteLength - 100 * page)
  libc.dropPages(firstPage + BigInt(110 * page), page)
  t.is(block.residentBytes(), block.byteLength - 101 * page)
  block.bytes[Number(firstPage - block.address)] = 1
  t.is(block.residentBytes(), block.byteLength - 100 * page)
  block.fill(2)
  t.is(block.residentBytes(), block.byteLength)
  block.free()
})

linuxTest('residentBytes counts no byte of the block that lies beside it in the same page', (t) => {
  const blocks = Array.from({ length: 500 }, () => malloc(100))
  t.deepEqual(new Set(blocks.map((block) => block.residentBytes())), new Set([100]))
  for (const block of blocks) block.free()
})

const huge = hugePageSize()
const hugePageTest =
  huge === undefined || !mapsOnHugePages()
    ? (title: string) => notRun(title, 'there are no huge pages, or Linux is older than 6.7')
    : linuxTest

hugePageTest('a large block that is resized is moved as it is, and stays on the boundary of a huge page', (t) => {
  for (const init of [undefined, 'A'] as const) {
    using block = malloc(64 * MiB, 1, init)
    using inTheWay = malloc(64 * MiB)
    for (const length of [128 * MiB, 200 * MiB + 1, 70 * MiB]) {
      block.resize(length)
      t.is(block.address % BigInt(huge!), 0n)
      t.is(block.residentBytes(), length)
      if (init !== undefined) t.deepEqual([block.bytes[0], block.bytes[64 * MiB - 1]], [65, 65])
    }
    t.is(inTheWay.byteLength, 64 * MiB)
  }
})

for (const [part, from, to] of [
  ['the second half', 0.5, 0.95],
  ['the half around the middle', 0.25, 0.75],
  ['what is behind the middle', 0.55, 0.95],
  ['all but the page in the middle, in front', 0.05, 0.45],
] as const) {
  linuxTest(`a block in warm memory, of which the system dropped ${part}, is fully resident`, async (t) => {
    const { stdout, stderr, code } = await runFixture('residency-warm.js', [String(from), String(to)], TYPESCRIPT)
    t.is(code, 0, stderr)
    const { reused, byteLength, residentBytes } = JSON.parse(stdout) as Record<string, unknown>
    t.true(reused, 'the allocator used the memory again')
    t.is(residentBytes, byteLength)
  })
}
