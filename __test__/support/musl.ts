/** Whether the C library is musl. */
export const IS_MUSL =
  process.platform === 'linux' &&
  !('glibcVersionRuntime' in (process.report.getReport() as unknown as { header: object }).header)
