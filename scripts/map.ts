/** The map of the tree in CONTRIBUTING.md, under "Where things are". */

import { posix } from 'node:path'

/** How many levels of folders are in it: more of the crate, as that is where one gets lost. */
const depthOf = (folder: string): number => (folder.startsWith('src/') ? 3 : 2)

// The packages of the platforms, all alike, and what is hidden.
const NOT_MAPPED = /^npm\/|^\./
// Not in the tree until something is built.
const BUILT = new Set(['dist', 'target', 'artifacts'])

/** What is wrong with the map, given the paths of all files. */
export function check(contributing: string, files: readonly string[]): string[] {
  const folders = new Set(files.flatMap((file) => foldersOf(file)))
  const exists = (path: string): boolean => files.includes(path) || folders.has(path) || BUILT.has(path)
  const entries = entriesOf(contributing)
  const mapped = new Set(entries.map(({ path }) => path))
  const named = entries.flatMap(({ path, text }) => {
    const places = [path, ...foldersOf(path), '.']
    // What has an ending, or a slash behind it; not a path in a longer one, such as that of a package.
    const words = text.match(/(?<![\w/@.])[\w.-]+(\/[\w.-]+)*(\/|\.(rs|ts|js|mjs|md|json|toml))(?![\w/])/g) ?? []
    return words
      .map((word) => word.replace(/\/$/, ''))
      .filter((word) => !places.some((place) => exists(posix.join(place, word))))
      .map((word) => `The map names ${word}, about ${path}, and there is none`)
  })
  return [
    ...[...mapped].filter((path) => !exists(path)).map((path) => `The map has ${path}, and the tree has not`),
    ...named,
    ...[...folders]
      .filter(
        (folder) => !NOT_MAPPED.test(folder) && folder.split('/').length <= depthOf(folder) && !mapped.has(folder),
      )
      .map((folder) => `The map lacks ${folder}/: add a line that says what is there`),
  ]
}

function foldersOf(file: string): string[] {
  const folder = posix.dirname(file)
  return folder === '.' ? [] : [...foldersOf(folder), folder]
}

/** A line of the map is an entry, which is indented by its depth; or, indented more, goes on with one. */
function entriesOf(contributing: string): { path: string; text: string }[] {
  const map = /^## Where things are\n+```\n([^]*?)^```$/m.exec(contributing)?.[1]
  if (map === undefined) throw new Error('CONTRIBUTING.md has no map under "Where things are"')
  const entries: { path: string; text: string }[] = []
  const above: string[] = []
  for (const line of map.trimEnd().split('\n')) {
    const entry = /^( {0,10})(\S+) +(\S.*)$/.exec(line)
    if (entry === null) {
      entries.at(-1)!.text += line
      continue
    }
    const [, indent = '', name = '', text = ''] = entry
    above.splice(indent.length / 2, Infinity, name.replace(/\/$/, ''))
    entries.push({ path: above.join('/'), text })
  }
  return entries
}
