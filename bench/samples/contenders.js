'use strict'
// Who allocates, for the programs of this folder. They run as they are on every runtime.

const { join } = require('node:path')
const { libraries } = require('./ffi.js')

/** One write to each page. */
function touch(bytes) {
  for (let index = 0; index < bytes.length; index += 4096) bytes[index] = 0
  return bytes
}

const INIT = { touch: undefined, zero: 'zero', fill: 'A' }

function contender(library) {
  return {
    load() {
      const { malloc, free, length: passed } = library.load()
      return [malloc, free, passed]
    },
  }
}

/**
 * By name: `load(init)` gives a function that allocates so many bytes and keeps nothing, one that frees what it
 * returned (nothing for what the garbage collector frees), and one that turns a length into what is passed to the first
 * (nothing if it is a number).
 */
const contenders = {
  cmalloc: {
    load(init) {
      const { malloc } = require(join(__dirname, '../..'))
      const contents = INIT[init]
      return [(length) => malloc(length, 1, contents), (block) => block.free()]
    },
  },
  ...Object.fromEntries(Object.entries(libraries).map(([name, library]) => [name, contender(library)])),
  sodium_malloc: {
    load(init) {
      const { sodium_malloc: malloc, sodium_free: free } = require('sodium-native')
      // Locked in memory, so that it is resident; its contents are 0xdb.
      if (init === 'zero') return [(length) => malloc(length).fill(0), free]
      if (init === 'fill') return [(length) => malloc(length).fill('A'), free]
      return [malloc, free]
    },
  },
  'Buffer.alloc': {
    load(init) {
      return [init === 'fill' ? (length) => Buffer.alloc(length, 'A') : (length) => Buffer.alloc(length)]
    },
  },
  'Buffer.alloc, touched': {
    load() {
      return [(length) => touch(Buffer.alloc(length))]
    },
  },
  'Buffer.allocUnsafeSlow, touched': {
    load(init) {
      if (init === 'zero') return [(length) => Buffer.allocUnsafeSlow(length).fill(0)]
      if (init === 'fill') return [(length) => Buffer.allocUnsafeSlow(length).fill('A')]
      return [(length) => touch(Buffer.allocUnsafeSlow(length))]
    },
  },
  'new ArrayBuffer': {
    load() {
      return [(length) => new ArrayBuffer(length)]
    },
  },
}

module.exports = { contenders }
