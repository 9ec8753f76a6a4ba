import { AssertionError } from 'node:assert'
import test from 'ava'
import * as cmalloc from 'cmalloc'
import { Arena } from 'cmalloc/arena'
import { conformance, type Allocator } from 'cmalloc/conformance'
import { arrayBufferAllocator } from 'cmalloc/mem-manager'
import { Pool } from 'cmalloc/pool'
import { BROKEN, giveBack } from './conformance/broken.js'
import { untilNothingIsInUse } from './support/memory.js'

test.before(untilNothingIsInUse)

const SOUND: Record<string, () => Allocator> = {
  cmalloc: () => cmalloc as Allocator,
  Arena: () => new Arena() as Allocator,
  'Arena with short chunks': () => new Arena({ chunkBytes: 512 }) as Allocator,
  Pool: () => new Pool({ retainBytes: 2 ** 24 }) as Allocator,
  'Pool that scrubs': () => new Pool({ retainBytes: 2 ** 24, scrub: true }) as Allocator,
  ArrayBuffer: () => arrayBufferAllocator as Allocator,
}

for (const [name, make] of Object.entries(SOUND)) {
  for (const { rule, run } of conformance(make)) {
    test.serial(`${name}: ${rule}`, (t) => {
      t.notThrows(run)
    })
  }
}

test.serial('every rule is broken by one of the allocators that break one', (t) => {
  const broken = new Set(Object.values(BROKEN).map(({ rule }) => rule))
  const rules = conformance(() => cmalloc as Allocator).map(({ rule }) => rule)
  t.is(new Set(rules).size, rules.length)
  t.deepEqual(
    rules.filter((rule) => !broken.has(rule)),
    [],
  )
})

for (const [name, { rule, message, make }] of Object.entries(BROKEN)) {
  test.serial(`an allocator that ${name} is told which rule it breaks`, (t) => {
    t.teardown(giveBack)
    const { run } = conformance(make).find((it) => it.rule === rule)!
    const error = t.throws(run, { instanceOf: AssertionError })!
    t.true(error.message.startsWith(`${rule}: `), error.message)
    t.regex(error.message, message)
  })
}
