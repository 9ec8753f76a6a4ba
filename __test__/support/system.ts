/** What this system has, and what it can give. */

const { platform } = process

export const IS_WINDOWS = platform === 'win32'

/** Whether the C library is musl. */
export const IS_MUSL =
  platform === 'linux' &&
  !('glibcVersionRuntime' in (process.report.getReport() as unknown as { header: object }).header)

/** The largest alignment that a block can have. */
export const LARGEST_ALIGNMENT = IS_WINDOWS ? 16 : IS_MUSL ? 2 ** 30 : 2 ** 32

/** Whether blocks can be locked in memory and left out of core dumps. */
export const HAS_SECURE = platform === 'linux' || platform === 'freebsd'
