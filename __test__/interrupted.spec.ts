import test from 'ava'
import { inTurn, nameOf, NODE_VERSIONS, OTHER_RUNTIMES, runFixture, runSource } from './support/run.js'

/** Without a compiler JavaScript can be stopped at each call, also at those that a compiler would not make. */
const INTERPRETED = ['--no-opt', '--no-sparkplug', '--no-maglev']

/** Kilobytes: the end of the stack is where it is looked for the sooner. */
const SHALLOW = '--stack-size=120'

const WAYS: [title: string, way: string, times: number, flags: string[]][] = [
  ['a timeout of vm', 'vm', 100, INTERPRETED],
  ['a timeout of vm in compiled code', 'vm', 40, []],
  ['a stack overflow', 'stack', 6, [...INTERPRETED, SHALLOW]],
  ['a stack overflow in compiled code', 'stack', 10, ['--always-sparkplug', SHALLOW]],
]

for (const [index, [title, way, times, flags]] of WAYS.entries()) {
  for (const node of inTurn(index, NODE_VERSIONS)) {
    test.serial(`a handle whose end ${title} has interrupted works or is freed, on ${nameOf(node)}`, async (t) => {
      const options = { node, flags: ['--expose-gc', ...flags] }
      const { code, signal, stdout, stderr } = await runFixture('interrupted-ends.js', [way, String(times)], options)
      t.deepEqual({ code, signal, stdout }, { code: 0, signal: null, stdout: 'done\n' }, stderr)
    })
  }
}

for (const node of OTHER_RUNTIMES) {
  test.serial(`a viewed block that is freed where the stack ends does not leak, on ${nameOf(node)}`, async (t) => {
    const { stdout, stderr } = await runSource(
      `const { malloc, stats } = require('cmalloc')
      function recurse() {
        const block = malloc(1000)
        block.bytes
        block.free()
        recurse()
      }
      for (let round = 0; round < 3; round++) {
        try { recurse() } catch (error) { if (!(error instanceof RangeError)) throw error }
      }
      console.log(stats().leakedAtTeardown)`,
      { node },
    )
    t.is(stdout, '0\n', stderr)
  })
}
