/**
 * The largest alignment that random sequences ask for. AddressSanitizer marks all that an alignment skips, in memory of
 * its own: of 4 GiB that is 512 MiB for each block.
 */
export const LARGEST_ALIGNMENT = process.env['ASAN_OPTIONS'] === undefined ? 2 ** 32 : 2 ** 16
