import koffi from 'koffi'
import { malloc } from 'cmalloc'
import type { Report } from './report.js'

const ROUNDS = 15
const CALLS = 20_000

/** What a small block costs, beside a call into C. It depends on the machine, so that it is shown and not judged. */
export function measureALoop(report: Report): void {
  report.section('64 bytes, allocated and freed in a loop, beside a call of C by koffi')
  const ours = (): void => malloc(64).free()
  const theirs = (): void => void koffi.free(koffi.alloc('char', 64))
  const times: [ours: number[], theirs: number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    times[0].push(nanosecondsOf(ours))
    times[1].push(nanosecondsOf(theirs))
  }
  const [cmalloc, call] = [median(times[0]), median(times[1])]
  report.note('malloc(64).free()', `${cmalloc.toFixed(0)} ns, ${(cmalloc / call).toFixed(2)} of koffi`)
  report.note("koffi.free(koffi.alloc('char', 64))", `${call.toFixed(0)} ns`)
}

function nanosecondsOf(call: () => void): number {
  const start = performance.now()
  for (let index = 0; index < CALLS; index++) call()
  return ((performance.now() - start) * 1e6) / CALLS
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
