/** Which file of the crate uses which, and where an implementation stands away from what it is about. */

import { Graph, alg } from '@dagrejs/graphlib'
import { resolve } from './resolve.js'
import type { Module } from './rust.js'

export interface Use {
  from: string
  to: string
  line: number
  /** As it stands in the source. */
  path: string
}

/** What a file uses of another is given once, with its first line. */
export function usesOf(root: Module): Use[] {
  const uses = new Map<string, Use>()
  for (const module of modulesOf(root)) {
    const imports = module.imports.filter((each) => !each.visible || each.name === '*' || module.names.has(each.name))
    for (const { path, line, ...rest } of [...imports, ...module.paths]) {
      for (const { module: used, item } of resolve(module, path)) {
        // A module that is imported is used where something of it is named.
        const only = item === undefined && 'name' in rest && rest.name !== '*'
        const key = `${module.file} ${used.file} ${item}`
        if (used.file === module.file || only || uses.has(key)) continue
        uses.set(key, { from: module.file, to: used.file, line, path: path.join('::') })
      }
    }
  }
  return [...uses.values()]
}

export interface Astray {
  file: string
  line: number
  about: string
  /** The files in which it may stand. */
  home: string[]
}

/**
 * A method needs no import, and so could be called from below unseen. Hence one of a type stands in the file of the
 * type, and one of a trait in the file of either.
 */
export function implsAstray(root: Module): Astray[] {
  return modulesOf(root).flatMap((module) =>
    module.impls.flatMap(({ line, trait, type, named }) => {
      const about = trait === undefined ? [type] : named
      const home = [...new Set(about.flatMap((path) => resolve(module, path)).map((place) => place.module.file))]
      const stray = home.length > 0 && !home.includes(module.file)
      return stray ? [{ file: module.file, line, about: type.join('::'), home }] : []
    }),
  )
}

export function modulesOf(module: Module): Module[] {
  return [module, ...[...module.children.values()].flat().flatMap(modulesOf)]
}

/** The files that use each other, each group by itself. */
export function circles(uses: Use[]): string[][] {
  const graph = new Graph()
  for (const { from, to } of uses) graph.setEdge(from, to)
  return alg.findCycles(graph)
}
