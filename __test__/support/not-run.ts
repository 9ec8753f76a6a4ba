/** Tests that cannot run on this machine. They are skipped under their own names, so that nobody takes them for passed. */

import test from 'ava'

/** `.ci/run` sets it: there a test that cannot run is a failure. */
const REQUIRED = process.env['CMALLOC_TEST_REQUIRED'] === '1'

/** What may be missing there all the same: a setting of the system, or a newer kernel, that no test can bring about. */
const MAY_BE_SKIPPED: ReadonlySet<string> = new Set([
  'it is absent from a core dump',
  'a large block that is resized is moved as it is, and stays on the boundary of a huge page',
])

/** Declares a test that cannot run here, and says why. */
export function notRun(title: string, reason: string): void {
  const name = `${title} (not run: ${reason})`
  if (REQUIRED && !MAY_BE_SKIPPED.has(title)) {
    test(name, (t) => t.fail('CMALLOC_TEST_REQUIRED=1 asks for every test. Run it where this one can run'))
  } else {
    test.skip(name, (t) => t.pass())
  }
}
