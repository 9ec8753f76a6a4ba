'use strict'
// What a server under load answers: each number has its own bytes, which both sides know.
const { createCipheriv } = require('node:crypto')

const BYTE_LENGTH = 2 ** 20
const STARTS = 4096

const key = Buffer.alloc(16, 1)
const source = createCipheriv('aes-128-ctr', key, key).update(Buffer.alloc(BYTE_LENGTH + STARTS))

/** The answer to that number. */
function contentsOf(number) {
  const start = (number * 61) % STARTS
  return source.subarray(start, start + BYTE_LENGTH)
}

/** Whether the answer to that number is compressed. */
const isPacked = (number) => number % 8 === 0

module.exports = { BYTE_LENGTH, contentsOf, isPacked }
