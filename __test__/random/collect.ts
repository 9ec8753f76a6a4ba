/** Collects garbage: only what is young, which is fast, or everything. */
export function collect(what: 'young' | 'everything'): void {
  const gc = globalThis.gc as unknown as (options?: { type: 'minor' }) => void
  if (what === 'young') gc({ type: 'minor' })
  else gc()
}
