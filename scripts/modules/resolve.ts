/** Where a path leads: to the module that defines what it names, past those that only pass it on. */

import type { Module } from './rust.js'

export interface Place {
  module: Module
  /** What the module defines, or `undefined` if the module itself is named. */
  item: string | undefined
}

/** Several if a module is chosen for a platform; none if it is of another crate. */
export function resolve(from: Module, path: string[], seen = new Set<string>()): Place[] {
  const [first, ...rest] = path as [string, ...string[]]
  if (first === 'self') return walk(from, rest, seen)
  if (first === 'super') return from.parent === undefined ? [] : resolve(from.parent, ['self', ...rest], seen)
  if (first === 'crate') return from.parent === undefined ? walk(from, rest, seen) : resolve(from.parent, path, seen)
  return find(from, path, seen) ?? []
}

function walk(module: Module, path: string[], seen: Set<string>): Place[] {
  // What is not found is made by a macro, or passed on from another crate.
  return step(module, path, seen) ?? [{ module, item: path[0] }]
}

function step(module: Module, path: string[], seen: Set<string>): Place[] | undefined {
  if (path.length === 0) return [{ module, item: undefined }]
  return path[0] === 'super' ? resolve(module, path, seen) : find(module, path, seen)
}

function find(module: Module, path: string[], seen: Set<string>): Place[] | undefined {
  const [name, ...rest] = path as [string, ...string[]]
  const key = `${module.file} ${name}`
  if (seen.has(key)) return undefined
  const entered = new Set(seen).add(key)
  const children = module.children.get(name)
  if (children !== undefined) {
    // Not every platform has everything.
    const found = children.flatMap((child) => step(child, rest, entered) ?? [])
    return some(found) ?? children.flatMap((child) => walk(child, rest, entered))
  }
  if (module.items.has(name)) return [{ module, item: name }]
  const imported = (wanted: string): string[][] =>
    module.imports.flatMap((each) => (each.name === wanted ? [each.path] : []))
  const named = imported(name).flatMap((to) => resolve(module, [...to, ...rest], entered))
  const all = imported('*').flatMap((to) => resolve(module, to, entered).filter(({ item }) => item === undefined))
  return some(named) ?? some(all.flatMap((place) => find(place.module, path, entered) ?? []))
}

function some(places: Place[]): Place[] | undefined {
  return places.length > 0 ? places : undefined
}
