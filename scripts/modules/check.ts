/** What is wrong with the directions in which a crate's modules use each other. */

import { join, relative, sep } from 'node:path'
import { circles, implsAstray, modulesOf, usesOf, type Use } from './graph.js'
import { readCrate } from './rust.js'

/** `src` is the folder of its `lib.rs`. Each finding begins with the place. */
export async function check(src: string, layers: readonly string[], split: readonly string[]): Promise<string[]> {
  const root = await readCrate(join(src, 'lib.rs'))
  const inside = (file: string): string => relative(src, file).replaceAll(sep, '/')
  const shown = (file: string): string => `src/${inside(file)}`
  const uses = usesOf(root, split)
  const files = new Set(modulesOf(root).map(({ file }) => file))
  const layer = new Map([...files].map((file) => [file, layerOf(inside(file), layers)]))
  const isUpward = ({ from, to }: Use): boolean => layer.get(from)! < layer.get(to)!
  const level = uses.filter((use) => !isUpward(use))
  return [
    ...[...files]
      .filter((file) => layer.get(file) === undefined)
      .map((file) => `${shown(file)} is in no layer: add it to scripts/modules/layers.ts`),
    ...layers
      .flatMap((line) => line.split(' '))
      .filter((name) => ![...files].some((file) => standsFor(name, inside(file))))
      .map((name) => `${name} is in scripts/modules/layers.ts, and not in src/: take it out`),
    ...uses.filter(isUpward).map(({ from, to, line, path }) => {
      const [lower, upper] = [from, to].map((file) => `"${layers[layer.get(file)!]}"`)
      return `${shown(from)}:${line}: ${path} is an upward import, from the layer ${lower} to ${shown(to)} in the layer ${upper}. Move what it names to ${lower} or below, or what uses it to ${upper} or above.`
    }),
    ...circles(level).map((circle) => {
      const own = level.filter(({ from, to }) => circle.includes(from) && circle.includes(to))
      const lines = own.map(({ from, to, line, path }) => `\n  ${shown(from)}:${line}: ${path}, of ${shown(to)}`)
      return `These ${circle.length} files use each other in a circle:${lines.join('')}`
    }),
    ...implsAstray(root)
      .filter(({ about }) => !split.includes(about))
      .map(
        ({ file, line, about, home }) =>
          `${shown(file)}:${line}: an impl of ${about} must stand in ${home.map(shown).join(' or ')}: its methods could be called from below without an import.`,
      ),
  ]
}

/** The layer of a file, from the longest name that stands for it. */
function layerOf(file: string, layers: readonly string[]): number | undefined {
  const names = layers.flatMap((line, layer) => line.split(' ').map((name) => ({ name, layer })))
  const own = names.filter(({ name }) => standsFor(name, file))
  return own.sort((one, other) => other.name.length - one.name.length)[0]?.layer
}

function standsFor(name: string, file: string): boolean {
  return file === `${name}.rs` || file.startsWith(`${name}/`)
}
