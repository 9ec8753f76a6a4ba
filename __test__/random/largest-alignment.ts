import { IS_MUSL } from '../support/musl.js'

/**
 * The largest alignment that random sequences ask for. AddressSanitizer marks all that an alignment skips, in memory of
 * its own: of 4 GiB that is 512 MiB for each block. musl has none over 1 GiB.
 */
export const LARGEST_ALIGNMENT = process.env['ASAN_OPTIONS'] !== undefined ? 2 ** 16 : IS_MUSL ? 2 ** 30 : 2 ** 32
