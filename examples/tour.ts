/**
 * `npm start`: a tour of cmalloc. Does what the documentation claims, measures it, and says whether it is so.
 *
 * Exits with 1 if anything is not what it is claimed to be.
 */

import { setImmediate as turn } from 'node:timers/promises'
import { mayBeInUse } from 'cmalloc/native'
import { consumeAPointer } from './tour/consume.js'
import { readAFile } from './tour/file.js'
import { freeUnderAGzip } from './tour/in-flight.js'
import { makeMistakes } from './tour/mistakes.js'
import { conclude, Report } from './tour/report.js'
import { becomeResident } from './tour/residency.js'
import { sortWords } from './tour/sort.js'
import { measureALoop } from './tour/speed.js'
import { measureTheText } from './tour/strlen.js'
import { shareWithWorkers } from './tour/workers.js'

/**
 * What loads this program may have requests in flight still, so that `free` would leave bytes to them. Waits until it has
 * none, or for a second.
 */
async function loaded(): Promise<void> {
  const deadline = Date.now() + 1000
  // oxlint-disable-next-line no-await-in-loop -- each round needs its own turn of the event loop
  while (mayBeInUse() && Date.now() < deadline) await turn()
}

async function main(): Promise<void> {
  await loaded()
  const report = new Report()
  for (const section of [
    becomeResident,
    sortWords,
    measureTheText,
    readAFile,
    consumeAPointer,
    makeMistakes,
    measureALoop,
  ])
    section(report)
  await freeUnderAGzip(report)
  await shareWithWorkers(report)
  conclude(report)
}

void main()
