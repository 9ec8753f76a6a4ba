import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { linuxTest } from './support/memory.js'
import { notRun } from './support/not-run.js'
import { readDocument } from './support/readme.js'
import {
  only,
  RUNTIMES,
  OTHER_RUNTIMES,
  ROOT,
  runFixture,
  type NodeVersion,
  type Options,
  type Runtime,
} from './support/run.js'

const ALL = new Set<Runtime>([...RUNTIMES, ...OTHER_RUNTIMES])
const TSX: Options = { flags: ['--import=tsx'] }

/** What each example prints, and what it runs on. */
const EXAMPLES: Record<string, { prints: RegExp; on: Options | undefined; linux?: true }> = {
  'koffi.ts': { prints: /^-1 2 3 4 5\nmade by C\ntrue\n$/, on: TSX },
  'node-ffi.mjs': { prints: /^AAAAA 5n\n$/, on: only<NodeVersion>([26]).map((node) => ({ node }))[0] },
  'bun-ffi.ts': { prints: /^AAAAA 5n\n$/, on: ALL.has('bun') ? { node: 'bun' } : undefined },
  'deno-ffi.cjs': { prints: /^AAAAA 5n\n$/, on: ALL.has('deno') ? { node: 'deno' } : undefined },
  'direct-io.ts': { prints: /^(\d+) of \1 bytes, at a multiple of 4096: true\n\/\*\*\n$/, on: TSX, linux: true },
  'worker.ts': { prints: /^given away: true\nthe same memory: true, 1\.414\d+\n$/, on: TSX },
  'shared.ts': {
    prints: /^4 workers: 10 MiB\nfreed: true, and the sum is still 10\n$/,
    on: only<NodeVersion>([26, 24, 22]).map((node) => ({ ...TSX, node }))[0],
  },
  'server.ts': {
    prints: /^200 7692c3ad\n200 3fc4ccfe\n200 8f990ba0\n413 \n3 of 4 requests had a block that was there\n$/,
    on: TSX,
  },
  'arena-server.ts': { prints: /^300 of 300 answers are right, from \d{1,2} arenas\n$/, on: TSX },
  'sharp.ts': {
    prints: /^black above, white below: 0, 255\nless than a second image of 64 MiB was ever resident: true\n$/,
    on: TSX,
  },
  'arrow.ts': { prints: /^in the block: 0\.5 2; in the message: 0\.5 42\nafter freeNow: 0 values\n$/, on: TSX },
}

/** These have specs of their own, and what is in Rust is run by `npm run test:rust`. */
const ELSEWHERE = ['progress.ts', 'resident.rs', 'tour.ts']

for (const [name, { prints, on, linux }] of Object.entries(EXAMPLES)) {
  if (on === undefined) {
    notRun(`the example ${name} runs`, 'its runtime is not here')
    continue
  }
  const declare = linux
    ? linuxTest
    : (title: string, run: (t: ExecutionContext) => Promise<void>) => test.serial(title, run)
  declare(`the example ${name} runs`, async (t) => {
    const { code, signal, stdout } = await runFixture(resolve(ROOT, 'examples', name), [], on)
    t.deepEqual({ code, signal }, { code: 0, signal: null })
    t.regex(stdout, prints)
  })
}

test('every example is run by a spec, and named on the page of examples with the command that runs it', (t) => {
  const files = readdirSync(join(ROOT, 'examples'), { withFileTypes: true }).filter((entry) => entry.isFile())
  const names = files.map(({ name }) => name)
  t.deepEqual(names.sort(), [...Object.keys(EXAMPLES), ...ELSEWHERE].sort())
  const page = readDocument('docs/reference/examples.md')
  for (const name of names) {
    t.true(page.includes(`(../../examples/${name})`), name)
    t.true(name === 'tour.ts' || runs(name).test(page), `how to run ${name}`)
  }
})

/** A command that runs an example. */
function runs(name: string): RegExp {
  const command = name.endsWith('.rs') ? `cargo run --example ${name.slice(0, -3)}` : `[^\`]+ examples/${name}`
  return new RegExp(`\`${command}\``)
}
