import test from 'ava'
import { Slot } from 'cmalloc/native'
import { inTurn, nameOf, RUNTIMES, runFixture, scenariosOf } from './support/run.js'
import { untilNothingIsInUse } from './support/memory.js'

test.before(untilNothingIsInUse)

/** Each tries things, every one in a process of its own. */
const ATTACKS = [
  'native-keys.js',
  'native-raw-calls.js',
  'native-receivers.js',
  'native-arguments.js',
  'native-states.js',
]

for (const fixture of ATTACKS) {
  for (const [index, scenario] of scenariosOf(fixture).entries()) {
    for (const node of inTurn(index, RUNTIMES)) {
      test.serial(`${scenario}, on ${nameOf(node)}`, async (t) => {
        const outcome = await runFixture(fixture, [scenario], { node, flags: ['--expose-gc'] })
        t.deepEqual(outcome, { code: 0, signal: null, stdout: 'done\n', stderr: '' })
      })
    }
  }
}

test('Slot is a class and cannot be called', (t) => {
  const call = Slot as unknown as () => unknown
  t.throws(call, { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' })
})

test('a construction that fails takes no slot number with it', (t) => {
  const numberOf = (slot: Slot): number => slot.key % 2 ** 26
  const first = new Slot()
  for (let round = 0; round < 100; round++) t.throws(() => (Slot as unknown as () => void).call(first))
  t.true(numberOf(new Slot()) - numberOf(first) < 100)
})

for (const [call, run] of Object.entries<(slot: Slot) => unknown>({
  'allocate a text': (slot) => slot.allocate('5' as never),
  'resize without a length': (slot) => (slot.resize as () => unknown).call(slot),
  'consume a number': (slot) => slot.consume(8 as never, 8),
  'fill with a text': (slot) => slot.fill('x' as never, 0, 1),
  'write a Uint16Array': (slot) => slot.write(new Uint16Array(1) as never, 0),
  'copyFrom an object': (slot) => slot.copyFrom({} as never, 0, 1),
})) {
  test(`to ${call} is refused by the binding, and changes nothing`, (t) => {
    const slot = new Slot()
    t.regex((t.throws(() => run(slot)) as NodeJS.ErrnoException).code ?? '', /^(InvalidArg|\w+Expected)$/)
    t.true(slot.freed)
  })
}
