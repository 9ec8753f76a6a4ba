/** Runs the suite with ava in a place, and counts what it says. */

import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LeftOut } from './left-out.js'
import type { Prepared } from './place.js'
import { ROOT } from './tools.js'
import { layOut } from './tree.js'

export interface Counted {
  passed: number
  /** Their titles. */
  failed: string[]
  /** Tests that say by their name, or by being skipped, that they did not run. */
  notRun: string[]
  /** Set if ava did not come to its end. */
  broken?: string
}

export interface Order {
  name: string
  /** The path of the addon. */
  addon: string
  leftOut: readonly LeftOut[]
  /** Names of specs; all by default. */
  specs: readonly string[]
  /** Milliseconds after which it is ended. */
  timeout: number
}

/** Runs it; what ava prints, as TAP, goes to `target/platforms`, into files: Node under wine knows no pipe for it. */
export function runSuite({ node, flags = [], env, patience }: Prepared, order: Order): Promise<Counted> {
  const folder = join(ROOT, 'target/platforms')
  const report = join(folder, `${order.name}.tap`)
  mkdirSync(folder, { recursive: true })
  const all = readdirSync(join(ROOT, '__test__')).flatMap((file) => /^(.+)\.spec\.ts$/.exec(file)?.[1] ?? [])
  const out = new Set(order.leftOut.map(({ spec }) => spec))
  const files = all.filter((spec) => !out.has(spec) && (order.specs.length === 0 || order.specs.includes(spec)))
  const titles = order.leftOut.flatMap(({ title }) => (title === undefined ? [] : [`--match=!${title}`]))
  const args = [
    // Of the tree: under wine a link is not the same folder as what it leads to.
    'node_modules/ava/entrypoints/cli.mjs',
    '--tap',
    `--timeout=${5 * patience}m`,
    ...titles,
    ...files.map((spec) => `__test__/${spec}.spec.ts`),
  ]
  const output = [report, join(folder, `${order.name}.stderr`)].map((path) => openSync(path, 'w'))
  return new Promise((done, fail) => {
    const child = spawn(node, [...flags, ...args], {
      cwd: layOut(order.name, order.addon),
      env: { ...process.env, ...env, CMALLOC_TEST_PATIENCE: String(patience) },
      stdio: ['ignore', ...output],
      timeout: order.timeout,
    })
    child.on('error', fail)
    child.on('close', (code, signal) => {
      output.forEach(closeSync)
      done(count(readFileSync(report, 'utf8'), code, signal))
    })
  })
}

/** What a report in TAP says. Two kinds of lines are enough: a parser of all of TAP would be longer to use. */
export function count(tap: string, code: number | null, signal: string | null): Counted {
  const counted: Counted = { passed: 0, failed: [], notRun: [] }
  for (const [, not, title = ''] of tap.matchAll(/^(not )?ok \d+ - (.*)$/gm)) {
    if (/ # (SKIP|TODO)|\bnot run\b/.test(title)) counted.notRun.push(title)
    else if (not === undefined) counted.passed++
    else counted.failed.push(title)
  }
  // A plan stands at the end, so without one the end was not reached.
  if (!/^1\.\.\d+$/m.test(tap))
    counted.broken = signal === null ? `ava ended with ${code}` : `ended by ${signal}, after its time`
  return counted
}
