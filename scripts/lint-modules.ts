/** `npm run lint:modules`: whether each module of the crate uses only what is below it, and none in a circle. */

import { join } from 'node:path'
import { check } from './modules/check.js'
import { LAYERS, SPLIT } from './modules/layers.js'
import { ROOT } from './platforms/tools.js'

check(join(ROOT, 'src'), LAYERS, SPLIT)
  .then((findings) => {
    for (const finding of findings) console.error(finding)
    if (findings.length > 0) process.exitCode = 1
  })
  .catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
