'use strict'
// Other ways to C's malloc and free: koffi, and the FFI that a runtime brings itself.

/**
 * By name: `load()` gives `malloc` of so many bytes, `free`, and `view`, an ArrayBuffer over so many bytes, without a copy.
 * `length` is how a length is passed fastest.
 */
const libraries = {
  'koffi.alloc': {
    load() {
      const { alloc, free, view } = require('koffi')
      // By the name of a type, which is the faster of its two ways.
      return { malloc: (length) => alloc('char', length), free, view, length: Number }
    },
  },
  'node:ffi': {
    load() {
      const { dlopen, toArrayBuffer } = require('node:ffi')
      const { malloc, free } = dlopen(null, {
        malloc: { arguments: ['uint64'], return: 'pointer' },
        free: { arguments: ['pointer'], return: 'void' },
      }).functions
      return { malloc, free, view: (pointer, length) => toArrayBuffer(pointer, length, false), length: BigInt }
    },
  },
  'bun:ffi': {
    load() {
      const { dlopen, toArrayBuffer } = require('bun:ffi')
      const { malloc, free } = dlopen('libc.so.6', {
        malloc: { args: ['u64_fast'], returns: 'ptr' },
        free: { args: ['ptr'], returns: 'void' },
      }).symbols
      return { malloc, free, view: (pointer, length) => toArrayBuffer(pointer, 0, length), length: Number }
    },
  },
  'Deno.dlopen': {
    load() {
      const { dlopen, UnsafePointerView } = globalThis.Deno
      const { malloc, free } = dlopen('libc.so.6', {
        malloc: { parameters: ['usize'], result: 'pointer' },
        free: { parameters: ['pointer'], result: 'void' },
      }).symbols
      return { malloc, free, view: UnsafePointerView.getArrayBuffer, length: BigInt }
    },
  },
}

module.exports = { libraries }
