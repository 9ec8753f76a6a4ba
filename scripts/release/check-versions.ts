/** `npm run lint:versions`: the version is the same wherever it stands. */

import { differences, ROOT, versions } from './versions.js'

for (const difference of differences(versions(ROOT))) {
  console.error(difference)
  process.exitCode = 1
}
