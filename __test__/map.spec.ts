import test from 'ava'
import { check } from '../scripts/map.js'

const FILES = [
  'index.js',
  'src/lib.rs',
  'src/napi/mod.rs',
  'src/napi/exports/slot.rs',
  'src/napi/exports/deep/x.rs',
  'npm/linux/package.json',
]

const MAP = `index.js     the loader of npm/
src/         the crate: lib.rs, napi/
  napi/      the binding, which is compiled into target/, and goes
             on
    exports/ what JavaScript is given: slot.rs
npm/         the packages`

const checked = (map: string, files = FILES): string[] =>
  check(`# C\n\n## Where things are\n\n\`\`\`\n${map}\n\`\`\`\n\nMore.\n`, files)

test('a map that has all folders, and names only what there is, is right', (t) => {
  t.deepEqual(checked(MAP), [])
})

for (const [what, map, files, finding] of [
  [
    'a folder that is not in the map',
    MAP,
    [...FILES, 'src/os/mod.rs'],
    'The map lacks src/os/: add a line that says what is there',
  ],
  [
    'a folder in the map that is gone',
    MAP.replace('exports/', 'gone/   '),
    [...FILES],
    'The map has src/napi/gone, and the tree has not',
  ],
  ['a file in the map that is gone', MAP, FILES.slice(1), 'The map has index.js, and the tree has not'],
  [
    'a file that is named but gone',
    MAP.replace('slot.rs', 'hot.rs'),
    FILES,
    'The map names hot.rs, about src/napi/exports, and there is none',
  ],
  [
    'a file that is named in a further line but gone',
    MAP.replace('  on', '  on in hot.rs'),
    FILES,
    'The map names hot.rs, about src/napi, and there is none',
  ],
] as const) {
  test(`${what} is found`, (t) => {
    t.true(checked(map, [...files]).includes(finding), checked(map, [...files]).join('\n'))
  })
}
