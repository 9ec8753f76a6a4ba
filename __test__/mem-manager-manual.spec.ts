/** The examples of the original's manual, each as a program of ours, and what it prints. */

import test from 'ava'
import { free, getBufferAddress, malloc } from 'cmalloc'
import { MemManager } from 'cmalloc/mem-manager'
import * as libc from './support/libc.js'
import { nameOf, RUNTIMES, runSource, type Runtime } from './support/run.js'
import { untilNothingIsInUse } from './support/memory.js'

test.before(untilNothingIsInUse)

/** What the examples share. An identifier is printed as the original prints its own. */
const PRELUDE = `
  const { MemManager } = require('cmalloc/mem-manager')
  const hex = (identifier) => '0x' + identifier.toString(16).padStart(8)
  const deathStub = ({ identifier }) => console.log('Killing', hex(identifier))
  const describe = (name, manager) => console.log(name.padStart(10), 'object is', hex(manager.identifier))
  function printHex(bytes, perLine = 8) {
    for (let start = 0; start < bytes.length; start += perLine) {
      const line = [...bytes.subarray(start, start + perLine)]
      console.log(line.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join(' '))
    }
  }
  async function collect(rounds = 5) {
    for (let round = 0; round < rounds; round++) {
      gc()
      await new Promise((done) => setTimeout(done, 1))
    }
  }
`

/** The lines that an example prints. What is collected is collected when it calls \`collect\`. */
async function run(body: string, node: Runtime): Promise<string[]> {
  const source = `${PRELUDE}\nvoid (async () => {${body}})()`
  const { code, signal, stdout, stderr } = await runSource(source, { node, flags: ['--expose-gc'] })
  if (code !== 0 || stderr !== '') throw new Error(`${code} ${signal} ${stderr}`)
  return stdout.trimEnd().split('\n')
}

const killing = (...identifiers: number[]): string[] =>
  identifiers.map((identifier) => `Killing 0x       ${identifier}`)

test('synopsis of the manager: what a buffer is, and a region of it', (t) => {
  const manager = new MemManager(10, 1, { allocator: 'ArrayBuffer' })
  t.true(manager.buffer > 0n)
  t.deepEqual([manager.bufferSize, manager.elementSize, manager.elementCount], [10, 1, 10])
  t.is(manager.extractBufferRegion(2, 5).length, 4)
  t.false(MemManager.delayedGcObjects().includes(manager))
})

test("synopsis of the allocator: 'A' gives bytes of 65, which the original's does not", (t) => {
  const buffer = malloc(10, 1, 'A')
  const address = getBufferAddress(buffer)
  t.is(libc.read(address, 10).toString(), 'AAAAAAAAAA')
  free(buffer)
  t.true(buffer.freed)
})

for (const node of RUNTIMES) {
  test.serial(`example 1, allocating buffers and killing them, on ${nameOf(node)}`, async (t) => {
    const lines = await run(
      `let memdeath = new MemManager(40, 1, { init: 'zero', deathStub, allocator: 'ArrayBuffer' })
       let mem = new MemManager(20, 1, { init: 'A', deathStub })
       describe('mem', mem)
       mem = new MemManager(20, 1, { init: 'A', deathStub })
       describe('memdeath', memdeath)
       describe('mem', mem)
       memdeath.free()
       console.log('memdeath is freed:', memdeath.freed)
       // A constant refers to the same buffer for the whole program.
       const constant = new MemManager(20, 1, { init: 'D', deathStub })
       try { eval('constant = undefined') } catch (error) { console.log(error.name) }
       console.log('at the end')`,
      node,
    )
    t.deepEqual(lines.slice(0, 7), [
      '       mem object is 0x       2',
      '  memdeath object is 0x       1',
      '       mem object is 0x       3',
      ...killing(1),
      'memdeath is freed: true',
      'TypeError',
      'at the end',
    ])
    // The one that was replaced lives until it is collected or the program ends, as the others.
    t.deepEqual(lines.slice(7).toSorted(), killing(2, 3, 4))
  })

  test.serial(`example 2, extracting and inspecting a region, on ${nameOf(node)}`, async (t) => {
    const lines = await run(
      `const mem = new MemManager(20, 1, { init: 'A', deathStub })
       printHex(mem.extractBufferRegion(5, 10), 8)`,
      node,
    )
    t.deepEqual(lines, ['41 41 41 41 41 41', ...killing(1)])
  })

  test.serial(`example 3, a second reference keeps the buffer, on ${nameOf(node)}`, async (t) => {
    const lines = await run(
      `let mem = new MemManager(20, 1, { init: 'A', deathStub })
       const copy = mem
       describe('mem_cp', copy)
       console.log('the same buffer:', copy.buffer === mem.buffer)
       const { buffer } = mem
       mem = undefined
       console.log('mem :', mem?.buffer ?? 'does not exist anymore')
       await collect()
       console.log('the buffer is where it was:', copy.buffer === buffer)
       printHex(copy.extractBufferRegion(), 10)`,
      node,
    )
    t.deepEqual(lines, [
      '    mem_cp object is 0x       1',
      'the same buffer: true',
      'mem : does not exist anymore',
      'the buffer is where it was: true',
      ...Array.from({ length: 2 }, () => Array.from({ length: 10 }, () => '41').join(' ')),
      ...killing(1),
    ])
  })

  test.serial(`example 4, what is assigned anew is freed, on ${nameOf(node)}`, async (t) => {
    const lines = await run(
      `let copy
       void (() => { copy = new MemManager(20, 1, { init: 'A', deathStub }) })()
       await collect(1)
       void (() => { copy = new MemManager(20, 1, { init: 'D', deathStub }) })()
       await collect()
       describe('mem_cp', copy)
       printHex(copy.extractBufferRegion(), 10)`,
      node,
    )
    t.deepEqual(lines, [
      ...killing(1),
      '    mem_cp object is 0x       2',
      ...Array.from({ length: 2 }, () => Array.from({ length: 10 }, () => '44').join(' ')),
      ...killing(2),
    ])
  })

  test.serial(`example 5, fine control over garbage collection, on ${nameOf(node)}`, async (t) => {
    const lines = await run(
      `void (() => {
         new MemManager(20, 1, { init: 'D', deathStub, allocator: 'ArrayBuffer' })
         new MemManager(20, 1, { init: 'D', deathStub, delayedGc: true })
       })()
       const list = () => MemManager.delayedGcObjects().map(({ identifier }) => hex(identifier)).join()
       console.log('Objects with delayed GC :', list())
       await collect()
       console.log('Undefining an object with delayed GC does not kill it!', list())
       console.log('End of the program')`,
      node,
    )
    t.deepEqual(lines, [
      'Objects with delayed GC : 0x       2',
      ...killing(1),
      'Undefining an object with delayed GC does not kill it! 0x       2',
      'End of the program',
      ...killing(2),
    ])
  })

  test.serial(`the to-do of the original, collection at a chosen moment, on ${nameOf(node)}`, async (t) => {
    const lines = await run(
      `void (() => { new MemManager(20, 1, { deathStub, delayedGc: true }) })()
       await collect()
       void (() => { for (const manager of MemManager.delayedGcObjects()) manager.endDelay() })()
       await collect()
       console.log('End of the program')`,
      node,
    )
    t.deepEqual(lines, [...killing(1), 'End of the program'])
  })
}
