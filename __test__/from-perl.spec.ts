/** The guide for those who come from Perl: that it has every word of the originals' manuals, and says what is true. */

import test, { type ExecutionContext } from 'ava'
import { consume, free, getBufferAddress, malloc, NativeBuffer, stats } from 'cmalloc'
import { arrayBufferAllocator, MemManager } from 'cmalloc/mem-manager'
import { lexer, type Tokens } from 'marked'
import { collectUntil, untilNothingIsInUse } from './support/memory.js'
import { readDocument, table } from './support/readme.js'
import { runSource } from './support/run.js'

test.before(untilNothingIsInUse)

const PAGE = readDocument('docs/from-perl.md')
const tokens = lexer(PAGE)
/** Every row of every table. */
const rows = tokens
  .filter((token): token is Tokens.Table => token.type === 'table')
  .flatMap((each) => each.rows.map((row) => row.map(({ text }) => text)))
const headings = tokens.filter((token): token is Tokens.Heading => token.type === 'heading').map(({ text }) => text)
/** Where a reader looks a word up: the first cells of rows, and headings. */
const entries = [...rows.map(([first]) => first!), ...headings]

/** What the manuals name: their functions, options, notions, headings and examples, line by line. */
const WORDS = {
  'Task::MemManager::CMalloc 0.04': `
    NAME, Task::MemManager::CMalloc, VERSION, SYNOPSIS, DESCRIPTION, allocated immediately, delayed allocation, glibc, uninitialized, zero initialized, custom initialized, Task::MemManager,
    directly, METHODS, malloc, $num_of_items, $size_of_each_item, $init_value, not defined, 'zero', repeated, free, $buffer,
    get_buffer_address, Perl scalar, consume, $external_buffer_ref, $length, reference, pass-by-reference, zeroed out,
    double free, realloc, grows, shrinks, implicit copy, NULL, warning, Perl integer, DIAGNOSTICS, die, environment variable,
    DEBUG, sanity checks, DEPENDENCIES, Inline::C, TODO, SEE ALSO, AUTHOR, COPYRIGHT AND LICENSE`,
  'Task::MemManager 0.10': `
    ->new, \\%opts, allocator, PerlAlloc, delayed_gc, init_value, death_stub, buffer_address, buffer_size, element_size,
    num_of_elements, identifier, ->extract_buffer_region, $pos_start, $pos_end, ->get_buffer, ->get_buffer_size,
    ->get_element_size, ->get_num_of_elements, ->get_delayed_gc_objects, ->consume, undef, shallow copy, Const::Fast,
    Readonly, print, Allocator, View, Device, ->device_movement, perlguts, perlapi, Example 1, Example 2, Examples 3 and 4,
    Example 5`,
  'Task::MemManager::View and its PDL': `
    Task::MemManager::View, PDL, ->create_view, ->get_view, ->clone_view, ->delete_view, view_name, $view_name, pdl_type,
    dims, ldouble, cfloat, cdouble, cldouble, examples of PDL`,
}

for (const [manual, words] of Object.entries(WORDS)) {
  test(`the guide has every word of the manual of ${manual} where a reader looks it up`, (t) => {
    const missing = words.split(/,\s+/).filter((word) => {
      const whole = new RegExp(`(?<![\\w$])${word.trim().replaceAll(/[$\\]/g, '\\$&')}(?!\\w|::)`)
      return !entries.some((entry) => whole.test(entry))
    })
    t.deepEqual(missing, [])
  })
}

test('every row says what a word is here; where it is not, it says why, and what instead', (t) => {
  t.true(rows.length > 60)
  for (const [word, here, ...more] of rows) {
    t.not(here, '', word)
    const text = [here, ...more].join(' ')
    if (/not here/i.test(text)) t.regex(text, /^not here,? because .+\. Instead /i, word)
  }
  t.true(rows.filter(([, here]) => /^not here/i.test(here!)).length >= 6)
})

const text = (buffer: NativeBuffer): string => Buffer.from(buffer.bytes).toString('latin1')

function filled(init: number | string, byteLength = 8): string {
  using buffer = malloc(byteLength, 1, init)
  return text(buffer)
}

const ZEROS = '\0'.repeat(8)
const refused = (t: ExecutionContext, code: string, call: () => unknown): void => void t.throws(call, { code })

/** What the last column of the table says, for each of its rows. */
const DIFFERENCES: Record<string, (t: ExecutionContext) => Promise<void> | void> = {
  "`'A'` as the init": (t) => void t.is(filled('A'), 'AAAAAAAA'),
  "`'zero'`": (t) => {
    t.is(filled('zero'), ZEROS)
    using manager = new MemManager(8, 1, { init: 'zero' })
    t.is(Buffer.from(manager.extractBufferRegion()).toString(), ZEROS)
  },
  'the number 0': (t) => void t.is(filled(0), ZEROS),
  '300, 256, -1': (t) => {
    for (const init of [300, 256, -1]) refused(t, 'ERR_OUT_OF_RANGE', () => malloc(8, 1, init))
  },
  '1.9': (t) => refused(t, 'ERR_OUT_OF_RANGE', () => malloc(8, 1, 1.9)),
  "`'65'`": (t) => {
    t.is(filled('65'), '65656565')
    t.is(filled(65), 'AAAAAAAA')
  },
  "`''`": (t) => refused(t, 'ERR_INVALID_ARG_VALUE', () => malloc(8, 1, '')),
  'a count of -2 and a size of -3': (t) => refused(t, 'ERR_OUT_OF_RANGE', () => malloc(-2, -3)),
  '1.5 bytes': (t) => refused(t, 'ERR_OUT_OF_RANGE', () => malloc(1.5, 1)),
  '256 MiB, not initialized': (t) => {
    using buffer = malloc(2 ** 28)
    t.is(buffer.residentBytes(), 2 ** 28)
  },
  'the synopsis': (t) => {
    const buffer = malloc(10, 1, 'A')
    t.is(getBufferAddress(buffer), buffer.address)
    free(buffer)
    t.true(buffer.freed)
  },
  'a second `free`': (t) => {
    const buffer = malloc(8)
    free(buffer)
    refused(t, 'ERR_CMALLOC_FREED', () => free(buffer))
  },
  'a buffer that is dropped': async (t) => {
    const before = stats().collectedFrees
    void (() => malloc(8))()
    await collectUntil(() => stats().collectedFrees > before)
    t.true(stats().collectedFrees > before)
  },
  '`consume` of a string': (t) => {
    const source = { address: 'text' }
    refused(t, 'ERR_INVALID_ARG_TYPE', () => consume(source as never, 20))
    t.deepEqual(source, { address: 'text' })
  },
  '`DEBUG=1`': async (t) => {
    const source = `
      const block = require('cmalloc').malloc(8)
      block.free()
      try { block.fill(0) } catch ({ cause }) { console.log(cause.message) }`
    const { stdout } = await runSource(source, { env: { DEBUG: '1', CMALLOC_DEBUG: '' } })
    t.is(stdout, 'The block was given up here, by free()\n')
  },
  'an `extract_buffer_region` that is out of range': (t) => {
    using manager = new MemManager(8)
    for (const [start, end] of [
      [0, 8],
      [8, 8],
      [5, 4],
    ] as const) {
      refused(t, 'ERR_OUT_OF_RANGE', () => manager.extractBufferRegion(start, end))
    }
  },
  'a name that gets another manager': (t) => {
    let deaths = 0
    const make = (): MemManager => new MemManager(8, 1, { deathStub: () => (deaths += 1) })
    let manager = make()
    const first = manager
    manager = make()
    t.is(deaths, 0)
    first.free()
    t.is(deaths, 1)
    manager.free()
  },
  'two managers of the same memory': (t) => {
    using inner = new MemManager(8)
    for (const [offset, length] of [
      [0n, 8],
      [2n, 2],
      [-8n, 24],
      [7n, 8],
    ] as const) {
      const allocator = { ...arrayBufferAllocator, getBufferAddress: () => inner.buffer + offset }
      refused(t, 'ERR_CMALLOC_ALREADY_OWNED', () => new MemManager(length, 1, { allocator }))
    }
  },
}

test('the table of differences has these rows, and no others', (t) => {
  const [, ...differences] = table(PAGE, 'Where it behaves differently')
  t.deepEqual(
    differences.map(([what]) => what),
    Object.keys(DIFFERENCES),
  )
})

for (const [what, run] of Object.entries(DIFFERENCES)) test.serial(`it behaves differently: ${what}`, run)
