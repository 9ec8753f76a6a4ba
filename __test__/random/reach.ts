/** What the system can give of what random sequences ask for. */

import { IS_MUSL } from '../support/musl.js'

const IS_WINDOWS = process.platform === 'win32'

/** AddressSanitizer marks all that an alignment skips, in memory of its own: of 4 GiB that is 512 MiB for each block. */
const LARGEST = process.env['ASAN_OPTIONS'] !== undefined ? 2 ** 16 : IS_MUSL ? 2 ** 30 : 2 ** 32

/** Alignments that can be had. */
export const ALIGNMENTS: readonly number[] = IS_WINDOWS ? [1, 8, 16] : [1, 8, 16, 64, 4096, LARGEST]

/** Whether there are secure blocks. */
export const HAS_SECURE = !IS_WINDOWS && process.platform !== 'darwin'

/** The code of what the system cannot give, if there is such a thing. */
export const UNAVAILABLE = HAS_SECURE && !IS_MUSL ? [] : ['ERR_FEATURE_UNAVAILABLE_ON_PLATFORM']
