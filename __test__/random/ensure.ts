/** What must be true of a sequence. */
export function ensure(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`Broken: ${message}`)
}
