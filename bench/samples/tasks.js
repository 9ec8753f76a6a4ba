'use strict'
// What programs do with small blocks. Arguments: a task, rounds, cycles in a round, and the contenders, who take turns. Prints
// for each the nanoseconds of a cycle in each round: see turns.js.

const { join } = require('node:path')
const { libraries } = require('./ffi.js')
const { compiledAnew, takeTurns } = require('./turns.js')

const LENGTH = 64
const LIVE = 500
/** A power of two, so that the loops find the next number by a mask. */
const NUMBERS = 2 ** 14

/** Whole numbers from `from` to `to`, as if by chance, but the same in each run. */
function numbers(from, to, seed) {
  let state = seed
  return Array.from({ length: NUMBERS }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return from + ((state >>> 0) % (to - from + 1))
  })
}

const data = new Uint8Array(LENGTH).fill(65)
const common = { data, LIVE, LENGTH, mask: NUMBERS - 1, places: numbers(0, LIVE - 1, 7) }

/** What each task needs of numbers. */
const LENGTHS = { window: numbers(16, 128, 1), random: numbers(1, 1000, 3) }

/**
 * By task: what cmalloc does, what a library does that calls C's malloc and free, and what else there is. Each is compiled
 * anew, so it uses what it is given and no other variable; undefined where cmalloc lacks what it needs.
 */
const tasks = {
  zeros: {
    cmalloc:
      ({ malloc, LENGTH: length }) =>
      (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) malloc(length, 1, 'zero').free()
      },
    library:
      ({ malloc, free, length }) =>
      (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) free(malloc(length))
      },
  },
  window: {
    cmalloc: ({ malloc, lengths, places, LIVE: count, mask }) => {
      const live = lengths.slice(0, count).map((length) => malloc(length))
      let next = 0
      return (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) {
          next = (next + 1) & mask
          const place = places[next]
          live[place].free()
          live[place] = malloc(lengths[next])
        }
      }
    },
    library: ({ malloc, free, lengths, places, LIVE: count, mask }) => {
      const live = lengths.slice(0, count).map((length) => malloc(length))
      let next = 0
      return (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) {
          next = (next + 1) & mask
          const place = places[next]
          free(live[place])
          live[place] = malloc(lengths[next])
        }
      }
    },
  },
  random: {
    cmalloc: ({ malloc, lengths, mask }) => {
      let next = 0
      return (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) malloc(lengths[(next = (next + 1) & mask)]).free()
      }
    },
    library: ({ malloc, free, lengths, mask }) => {
      let next = 0
      return (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) free(malloc(lengths[(next = (next + 1) & mask)]))
      }
    },
  },
  from: {
    cmalloc:
      ({ NativeBuffer, data: source }) =>
      (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) NativeBuffer.from(source).free()
      },
    library:
      ({ malloc, free, view, length, LENGTH: viewed, data: source }) =>
      (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) {
          const pointer = malloc(length)
          new Uint8Array(view(pointer, viewed)).set(source)
          free(pointer)
        }
      },
  },
  bytes: {
    cmalloc:
      ({ malloc, LENGTH: length }) =>
      (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) {
          const block = malloc(length)
          block.bytes[0] = cycle
          block.free()
        }
      },
    library:
      ({ malloc, free, view, length, LENGTH: viewed }) =>
      (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) {
          const pointer = malloc(length)
          new Uint8Array(view(pointer, viewed))[0] = cycle
          free(pointer)
        }
      },
  },
  write: {
    cmalloc: ({ malloc, LENGTH: length, data: source }) => {
      const block = malloc(length)
      if (!('write' in block)) return undefined
      return (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) block.write(source)
      }
    },
    'bytes.set': ({ malloc, LENGTH: length, data: source }) => {
      const block = malloc(length)
      return (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) block.bytes.set(source)
      }
    },
    library: ({ malloc, view, length, LENGTH: viewed, data: source }) => {
      const pointer = malloc(length)
      return (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) new Uint8Array(view(pointer, viewed)).set(source)
      }
    },
  },
  read: {
    cmalloc: ({ malloc, LENGTH: length, data: source }) => {
      const block = malloc(length)
      const into = source.slice()
      if (!('read' in block)) return undefined
      return (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) block.read(into)
      }
    },
    'set of bytes': ({ malloc, LENGTH: length, data: source }) => {
      const block = malloc(length)
      const into = source.slice()
      return (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) into.set(block.bytes)
      }
    },
    library: ({ malloc, view, length, LENGTH: viewed, data: source }) => {
      const pointer = malloc(length)
      const into = source.slice()
      return (cycles) => {
        for (let cycle = 0; cycle < cycles; cycle++) into.set(new Uint8Array(view(pointer, viewed)))
      }
    },
  },
}

/** What a contender is given beside the numbers. */
function toolsOf(name, task) {
  const lengths = LENGTHS[task]
  const library = libraries[name]?.load()
  if (library === undefined) return { ...common, lengths, ...require(join(__dirname, '../..')) }
  return { ...common, ...library, lengths: lengths?.map(library.length), length: library.length(LENGTH) }
}

const [task, rounds, cycles, ...names] = process.argv.slice(2)
const runs = Object.fromEntries(
  names
    .map((name) => [name, compiledAnew(tasks[task][name] ?? tasks[task].library)(toolsOf(name, task))])
    .filter(([, run]) => run !== undefined),
)
console.log(JSON.stringify(takeTurns(runs, Number(rounds), Number(cycles))))
