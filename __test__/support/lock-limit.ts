/** What stands before a command that may lock so many bytes in memory (Linux). Root could lock any, if it was let. */
export function lockLimit(bytes: number): string[] {
  const powerless = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-ipc_lock'] : []
  return [...powerless, 'prlimit', `--memlock=${bytes}`]
}
