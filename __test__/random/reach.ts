/** What the system can give of what random sequences ask for. */

import { HAS_SECURE, LARGEST_ALIGNMENT } from '../support/system.js'

/** AddressSanitizer marks all that an alignment skips, in memory of its own: of 4 GiB that is 512 MiB for each block. */
const LARGEST = process.env['ASAN_OPTIONS'] === undefined ? LARGEST_ALIGNMENT : Math.min(LARGEST_ALIGNMENT, 2 ** 16)

/** Alignments that can be had. */
export const ALIGNMENTS = [1, 8, 16, 64, 4096, 2 ** 16, 2 ** 21, 2 ** 30, 2 ** 32].filter((align) => align <= LARGEST)

/** The code of what the system cannot give, if there is such a thing. */
export const UNAVAILABLE = HAS_SECURE && LARGEST_ALIGNMENT === 2 ** 32 ? [] : ['ERR_FEATURE_UNAVAILABLE_ON_PLATFORM']
