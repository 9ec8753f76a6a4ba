import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { check } from '../scripts/modules/check.js'

const LAYERS = ['low', 'folder', 'folder/above high', 'lib']

/** A crate in which everything points one way. */
const RIGHT: Record<string, string> = {
  'lib.rs': 'mod folder; mod high; mod low; pub use high::run;',
  'low.rs':
    'pub(crate) trait Verb { fn act(&self); }\npub(crate) struct Thing;\nimpl Thing { pub(crate) fn go(&self) {} }',
  'high.rs': 'use crate::folder::{self, Other};\npub fn run(it: Other) { folder::above::rise(); it.go() }',
  'folder/mod.rs': 'pub(crate) mod above;\nmod below;\npub(crate) use self::above::rise;\npub(crate) use below::Other;',
  'folder/above.rs': 'use super::Other;\npub(crate) fn rise() { let _: Option<Other> = None; }',
  'folder/below.rs':
    'use crate::low::Verb;\npub(crate) type Other = crate::low::Thing;\nstruct Own;\nimpl Verb for Own { fn act(&self) {} }\n#[cfg(test)]\nmod tests { use crate::high; #[test] fn it() { high::run() } }',
}

const UP = (place: string, path: string, from: string, file: string, to: string): string =>
  `src/${place}: ${path} is an upward import, from the layer "${from}" to src/${file} in the layer "${to}". Move what it names to "${from}" or below, or what uses it to "${to}" or above.`

const ABOVE = 'folder/above high'
const STRAY = 'its methods could be called from below without an import.'

/** A crate with this behind what is right. */
function crate(t: ExecutionContext, planted: Record<string, string>): string {
  const src = mkdtempSync(join(tmpdir(), 'cmalloc-modules-'))
  t.teardown(() => rmSync(src, { recursive: true }))
  for (const name of new Set([...Object.keys(RIGHT), ...Object.keys(planted)])) {
    mkdirSync(dirname(join(src, name)), { recursive: true })
    writeFileSync(join(src, name), `${RIGHT[name] ?? ''}\n${planted[name] ?? ''}\n`)
  }
  return src
}

test('a layer of what is gone is found', async (t) => {
  t.deepEqual(await check(crate(t, {}), [...LAYERS, 'gone'], []), [
    'gone is in scripts/modules/layers.ts, and not in src/: take it out',
  ])
})

for (const [what, planted, findings] of [
  ['a crate that points one way is right', {}, []],
  [
    'an upward import is found',
    { 'low.rs': 'use crate::high::run;' },
    [UP('low.rs:4', 'crate::high::run', 'low', 'high.rs', ABOVE)],
  ],
  [
    'an upward call by its path is found',
    { 'low.rs': 'fn f() { crate::high::run() }' },
    [UP('low.rs:4', 'crate::high::run', 'low', 'high.rs', ABOVE)],
  ],
  [
    'an upward call in a macro is found',
    { 'low.rs': 'fn f() { vec![crate::high::run()]; }' },
    [UP('low.rs:4', 'crate::high::run', 'low', 'high.rs', ABOVE)],
  ],
  [
    'an upward import that begins with super is found',
    { 'folder/below.rs': 'use super::super::{low::Thing, high as other};\nfn f(_: Thing) { other::run() }' },
    [UP('folder/below.rs:8', 'other::run', 'folder', 'high.rs', ABOVE)],
  ],
  [
    'what a module passes on counts for the file that defines it',
    { 'low.rs': 'use crate::run;' },
    [UP('low.rs:4', 'crate::run', 'low', 'high.rs', ABOVE)],
  ],
  [
    'a folder may have a file of another layer',
    { 'folder/below.rs': 'use super::rise;' },
    [UP('folder/below.rs:7', 'super::rise', 'folder', 'folder/above.rs', ABOVE)],
  ],
  [
    'a circle within a layer is found',
    { 'folder/above.rs': 'use crate::high;\nfn f() { high::run() }' },
    [
      'These 2 files use each other in a circle:\n  src/folder/above.rs:4: high::run, of src/high.rs\n  src/high.rs:2: folder::above::rise, of src/folder/above.rs',
    ],
  ],
  [
    'methods away from their type are found',
    { 'high.rs': 'use crate::low::Thing;\nimpl Thing { fn up(&self) {} }' },
    [`src/high.rs:4: an impl of Thing must stand in src/low.rs: ${STRAY}`],
  ],
  [
    'a trait of another crate away from its type is found',
    { 'high.rs': 'use crate::low::Thing;\nimpl Drop for Thing { fn drop(&mut self) {} }' },
    [`src/high.rs:4: an impl of Thing must stand in src/low.rs: ${STRAY}`],
  ],
  [
    'a trait of the crate may be away from its type, as it must be imported',
    { 'high.rs': 'use crate::low::{Thing, Verb};\nimpl Verb for Thing { fn act(&self) {} }' },
    [],
  ],
  [
    'an upward call of a method of a type that is split is found',
    {
      'low.rs': 'pub(crate) struct Divided;\nfn f(it: Divided) { it.up() }',
      'high.rs': 'use crate::low::Divided;\nimpl Divided { pub(crate) fn up(&self) {} }',
    },
    [UP('low.rs:5', '.up', 'low', 'high.rs', ABOVE)],
  ],
  [
    'a file without a layer is found',
    { 'lib.rs': 'mod stranger;', 'stranger.rs': '' },
    ['src/stranger.rs is in no layer: add it to scripts/modules/layers.ts'],
  ],
] as [string, Record<string, string>, string[]][]) {
  test(what, async (t) => {
    t.deepEqual(await check(crate(t, planted), LAYERS, ['Divided']), findings)
  })
}
