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

/**
 * What a file uses of another is given once, with its first line. A method of a type that is split needs no import: who
 * names one like it uses it.
 */
export function usesOf(root: Module, split: readonly string[]): Use[] {
  const uses = new Map<string, Use>()
  const add = (from: string, to: string, item: string | undefined, line: number, path: string): void => {
    const key = `${from} ${to} ${item}`
    if (from !== to && !uses.has(key)) uses.set(key, { from, to, line, path })
  }
  const away = implsAstray(root).filter(({ about }) => split.includes(about))
  for (const module of modulesOf(root)) {
    const imports = module.imports.filter((each) => !each.visible || each.name === '*' || module.names.has(each.name))
    for (const { path, line, ...rest } of [...imports, ...module.paths]) {
      for (const { module: used, item } of resolve(module, path)) {
        // A module that is imported is used where something of it is named.
        const only = item === undefined && 'name' in rest && rest.name !== '*'
        if (!only) add(module.file, used.file, item, line, path.join('::'))
      }
    }
    for (const { path, line } of module.methods) {
      for (const { file } of away.filter((each) => each.methods.includes(path.at(-1)!))) {
        add(module.file, file, path.at(-1), line, path.length === 1 ? `.${path[0]}` : path.join('::'))
      }
    }
  }
  return [...uses.values()]
}

export interface Astray {
  file: string
  line: number
  about: string
  methods: string[]
  /** The files in which it may stand. */
  home: string[]
}

/**
 * A method needs no import, and so could be called from below unseen. Hence it stands in the file of its type, unless it is
 * of a trait of this crate, which must be imported. One of a foreign trait may also be that of an argument's type.
 */
export function implsAstray(root: Module): Astray[] {
  return modulesOf(root).flatMap((module) =>
    module.impls.flatMap(({ line, trait, type, named, methods }) => {
      if (trait !== undefined && resolve(module, trait).length > 0) return []
      const about = trait === undefined ? [type] : named
      const home = [...new Set(about.flatMap((path) => resolve(module, path)).map((place) => place.module.file))]
      const stray = home.length > 0 && !home.includes(module.file)
      return stray ? [{ file: module.file, line, about: type.at(-1)!, methods, home }] : []
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
