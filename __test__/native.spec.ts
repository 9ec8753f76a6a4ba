import test from 'ava'
import { Slot } from 'cmalloc/native'
import { nameOf, RUNTIMES, runFixture } from './support/run.js'
import { untilNothingIsInUse } from './support/memory.js'

test.before(untilNothingIsInUse)

/** What each program of the fixtures tries, in a process of its own, on every version of Node. */
const ATTACKS = {
  'native-keys.js': [
    'forged keys name no slot',
    'random keys name no slot',
    'a key kept from an earlier block does not free a later one',
    'a key goes stale with a resize, a release and a transfer',
    'a key of another thread names no slot',
    'a key of a collected slot names no slot',
    'each load of the binding has slots of its own',
  ],
  'native-raw-calls.js': [
    'junk in the registers is a number or throws',
    'the calls work on with what the registers held, after their buffer was moved away',
    'another thread may scribble over registers that were given to it',
    'raw calls name the slots of their owner alone',
    'the raw calls care for neither receiver nor arguments',
  ],
  'native-receivers.js': [
    'members of a slot refuse foreign receivers',
    'a slot stays one whatever becomes of its prototype',
    'subclasses and odd new targets make slots of their own',
    'a second construction of a slot leaves the first one whole',
  ],
  'native-arguments.js': [
    'wrong arguments give errors with a code, and change nothing',
    'bounds that do not fit the block are refused',
    'a detached view as source is an empty one',
    'views of the very block are sources like others',
    'consume refuses addresses that are owned or make no sense',
    'consume refuses the blocks of another thread',
    'consume refuses the bytes that an ArrayBuffer alone still holds',
  ],
  'native-states.js': [
    'a block is freed once, whichever of the two ways comes first',
    'a slot has one block at a time',
    'the state of a slot is what its last call made it',
    'the ArrayBuffer is the same one until the block goes or changes',
    'the getters never throw',
    'slots that were dropped give back their blocks, those with views too',
    'a kept view keeps the bytes of a dropped slot',
    'calls in any order free each block once',
  ],
}

for (const [fixture, scenarios] of Object.entries(ATTACKS)) {
  test.serial(`every scenario of ${fixture} is run`, async (t) => {
    const { stdout } = await runFixture(fixture, ['--list'])
    t.deepEqual(stdout.trim().split('\n'), scenarios)
  })

  for (const scenario of scenarios) {
    for (const node of RUNTIMES) {
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
  'write a Uint16Array': (slot) => slot.write(new Uint16Array(1) as never),
  'copyFrom an object': (slot) => slot.copyFrom({} as never, 0, 1),
})) {
  test(`to ${call} is refused by the binding, and changes nothing`, (t) => {
    const slot = new Slot()
    t.regex((t.throws(() => run(slot)) as NodeJS.ErrnoException).code ?? '', /^(InvalidArg|\w+Expected)$/)
    t.true(slot.freed)
  })
}
