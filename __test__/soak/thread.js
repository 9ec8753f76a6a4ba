'use strict'
// A thread of the soak: works until somebody ends it, at any moment. Told so, it hands no more blocks over: what is on
// its way when its thread is ended is a ticket that nobody takes.
const { parentPort, workerData } = require('node:worker_threads')
const random = require('../fixtures/random.js')(workerData.seed)

let quiet = false
const post = (given) => parentPort.postMessage(given)
const load = require('./load.js')({ random, moves: false, post, quiet: () => quiet })

parentPort.on('message', () => {
  quiet = true
  parentPort.postMessage('quiet')
})

const work = () => {
  load.run(200)
  setTimeout(work, 5)
}
work()
