/**
 * `npm run check:tools`: runs cmalloc, installed from its tarballs, where programs run: in test runners, in what bundlers
 * and makers of executables build, and under compilers of types. `-- jest webpack` runs only the places with such names.
 */

import { turns } from '../../__test__/support/turns.js'
import { printTable } from '../packages/report.js'
import { inTurn } from '../packages/run.js'
import type { Place, Project } from './kit.js'
import { BUNDLERS } from './kinds/bundlers.js'
import { COMPILERS } from './kinds/compilers.js'
import { EXECUTABLES } from './kinds/executables.js'
import { RUNNERS } from './kinds/runners.js'
import { runPlace, type Result } from './place.js'
import { installCmalloc, prepare } from './project.js'

const KINDS: Record<string, readonly Place[]> = {
  'test runner': RUNNERS,
  bundler: BUNDLERS,
  executable: EXECUTABLES,
  'compiler of types': COMPILERS,
}

const twoAtOnce = turns(2)

async function main(words: string[]): Promise<void> {
  const wanted = ({ name }: Place): boolean =>
    words.length === 0 || words.some((word) => name.toLowerCase().includes(word.toLowerCase()))
  const kinds = Object.entries(KINDS).map(([kind, places]) => [kind, places.filter(wanted)] as const)
  const projects = new Set<Project>(kinds.flatMap(([, places]) => places.map(({ project }) => project)))
  if (projects.size === 0) throw new Error(`No place is called ${words.join(' or ')}`)
  const cmalloc = await installCmalloc()
  await inTurn([...projects], (project) => prepare(project, cmalloc))
  const results = await inTurn(kinds, async ([kind, places]) => {
    const ofKind = await Promise.all(places.map((place) => twoAtOnce(() => runPlace(place, cmalloc))))
    if (ofKind.length > 0) printTable([kind, 'runs on', 'cases', 'result', 'seconds'], ofKind.map(row))
    return ofKind
  })
  const failed = results.flat().filter(({ failures }) => failures.length > 0)
  for (const result of failed) printFailures(result)
  if (failed.length > 0) throw new Error(`${failed.length} of ${results.flat().length} places fail`)
}

function row({ place, failures, notRun, held, milliseconds }: Result): string[] {
  const result = notRun === undefined ? cut(failures[0] ?? 'ok') : cut(`NOT RUN: ${notRun}`)
  return [place.name, runsOn(place), String(held), result, (milliseconds / 1000).toFixed(1)]
}

function runsOn({ node }: Place): string {
  return typeof node === 'number' ? `Node ${node}` : node
}

/** Every failure, the same ones of several files once. */
function printFailures({ place, failures, log }: Result): void {
  console.log(`${place.name}: see ${log}`)
  const counts = new Map<string, number>()
  for (const failure of failures) counts.set(failure, (counts.get(failure) ?? 0) + 1)
  for (const [failure, count] of counts) console.log(`  ${failure}${count > 1 ? ` (${count} times)` : ''}`)
  console.log()
}

function cut(text: string): string {
  return text.length > 110 ? `${text.slice(0, 109)}…` : text
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
