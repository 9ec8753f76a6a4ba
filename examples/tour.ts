/**
 * `npm start`: a tour of cmalloc. Does what the documentation claims, measures it, and says whether it is so.
 *
 * Exits with 1 if anything is not what it is claimed to be.
 */

import { consumeAPointer } from './tour/consume.js'
import { readAFile } from './tour/file.js'
import { makeMistakes } from './tour/mistakes.js'
import { conclude, Report } from './tour/report.js'
import { becomeResident } from './tour/residency.js'
import { sortWords } from './tour/sort.js'
import { measureTheText } from './tour/strlen.js'

const report = new Report()
for (const section of [becomeResident, sortWords, measureTheText, readAFile, consumeAPointer, makeMistakes])
  section(report)
conclude(report)
