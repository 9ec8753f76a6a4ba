/**
 * The modules of the crate, as its source has them: what each one defines, imports and names. Not by cargo-modules, which
 * takes many minutes to build, and knows nothing of layers.
 */

import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { Language, Parser, type Node } from '@vscode/tree-sitter-wasm'

export interface Module {
  /** Several have one file, if they stand in it with their bodies. */
  file: string
  parent: Module | undefined
  /** For each name those modules of which one is chosen for a platform. */
  children: Map<string, Module[]>
  /** What it defines. */
  items: Set<string>
  imports: Import[]
  /** The paths `a::b` in its code, in macros too. */
  paths: Path[]
  /** Every name in its code: an import that is not among them only passes something on. */
  names: Set<string>
  impls: Impl[]
  /** The methods that its code names, of whatever type. */
  methods: Path[]
}

export interface Path {
  path: string[]
  line: number
}

export interface Import extends Path {
  /** The name that it is given here, `*` for all. */
  name: string
  /** Whether others can take it from here. */
  visible: boolean
}

/** `impl Type`, or `impl Trait for Type`. */
export interface Impl {
  line: number
  trait: string[] | undefined
  type: string[]
  /** All that its first line names, such as the arguments of either. */
  named: string[][]
  methods: string[]
}

const DEFINITIONS = /^(struct|enum|union|type|trait|function|const|static)_item$|^macro_definition$/
const NAME = /^(identifier|type_identifier|crate|super|self)$/
// What a test alone sees may use what it likes.
const TEST_ONLY = /^#\[cfg\((all\()?(test|loom|doctest)\b/

let made: Promise<Parser> | undefined

/** The module of `file`, with all that it declares. */
export async function readCrate(file: string): Promise<Module> {
  return readFile(await (made ??= makeParser()), file, undefined)
}

async function makeParser(): Promise<Parser> {
  await Parser.init()
  const rust = await Language.load(require.resolve('@vscode/tree-sitter-wasm/wasm/tree-sitter-rust.wasm'))
  return new Parser().setLanguage(rust)
}

function readFile(parser: Parser, file: string, parent: Module | undefined): Module {
  const { rootNode } = parser.parse(readFileSync(file, 'utf8'))!
  if (rootNode.hasError) throw new Error(`${relative('', file)} cannot be parsed`)
  return readModule(parser, rootNode, file, parent)
}

function readModule(parser: Parser, body: Node, file: string, parent: Module | undefined): Module {
  const module: Module = {
    file,
    parent,
    children: new Map(),
    items: new Set(),
    imports: [],
    paths: [],
    names: new Set(),
    impls: [],
    methods: [],
  }
  const tokens: Node[] = []
  for (const { node, attributes } of compiled(body)) {
    const name = node.childForFieldName('name')?.text ?? ''
    if (DEFINITIONS.test(node.type)) module.items.add(name)
    if (node.type === 'mod_item') {
      const inner = node.childForFieldName('body')
      const child = inner
        ? readModule(parser, inner, file, module)
        : readFile(parser, fileOf(file, name, attributes), module)
      module.children.set(name, [...(module.children.get(name) ?? []), child])
    } else readCode(node, module, tokens)
  }
  readNames(tokens, module)
  return module
}

/** What is in a node, without that which only a test compiles. */
function* compiled(node: Node): Generator<{ node: Node; attributes: string[] }> {
  let attributes: string[] = []
  for (const child of node.children) {
    if (child === null || child.type.endsWith('comment')) continue
    if (child.type === 'attribute_item') attributes.push(child.text)
    else {
      if (!attributes.some((text) => TEST_ONLY.test(text))) yield { node: child, attributes }
      attributes = []
    }
  }
}

function fileOf(declaring: string, name: string, attributes: string[]): string {
  const folder = dirname(declaring)
  const path = attributes.flatMap((text) => /^#\[path = "(.*)"\]$/.exec(text)?.[1] ?? [])[0]
  if (path !== undefined) return join(folder, path)
  const own = /^(lib|mod)\.rs$/.test(basename(declaring)) ? folder : join(folder, basename(declaring, '.rs'))
  return [join(own, `${name}.rs`), join(own, name, 'mod.rs')].find((each) => existsSync(each))!
}

function readCode(node: Node, module: Module, tokens: Node[]): void {
  if (node.type === 'visibility_modifier') return
  if (node.type === 'use_declaration') {
    const visible = node.children.some((child) => child?.type === 'visibility_modifier')
    const line = node.startPosition.row + 1
    for (const each of importsOf(node.childForFieldName('argument')!, []))
      module.imports.push({ ...each, visible, line })
    return
  }
  if (node.type === 'impl_item') module.impls.push(implOf(node))
  if (node.childCount === 0) tokens.push(node)
  for (const child of compiled(node)) readCode(child.node, module, tokens)
}

function importsOf(node: Node, before: string[]): { path: string[]; name: string }[] {
  const path = [...before, ...segments(node.childForFieldName('path'))]
  switch (node.type) {
    case 'use_list':
      return node.namedChildren.flatMap((child) => (child === null ? [] : importsOf(child, before)))
    case 'scoped_use_list':
      return importsOf(node.childForFieldName('list')!, path)
    case 'use_as_clause':
      return [{ path, name: node.childForFieldName('alias')!.text }]
    case 'use_wildcard':
      return [{ path: [...before, ...segments(node.namedChild(0))], name: '*' }]
    default: {
      const whole = [...before, ...segments(node)]
      // `a::{self}` is `a`.
      if (whole.length > 1 && whole.at(-1) === 'self') whole.pop()
      return [{ path: whole, name: whole.at(-1)! }]
    }
  }
}

/** The names of a path; of a type those before its arguments. */
function segments(node: Node | null): string[] {
  return node === null ? [] : (/[\w:]+/.exec(node.text.replaceAll(/\s/g, ''))?.[0].split('::') ?? [])
}

function implOf(node: Node): Impl {
  const trait = node.childForFieldName('trait')
  const type = node.childForFieldName('type')!
  const head = (trait?.text ?? '') + ' ' + type.text
  return {
    line: node.startPosition.row + 1,
    trait: trait === null ? undefined : segments(trait),
    type: segments(type),
    named: head.match(/\w+(::\w+)*/g)!.map((path) => path.split('::')),
    methods: node
      .childForFieldName('body')!
      .namedChildren.flatMap((child) => child?.childForFieldName('name')?.text ?? []),
  }
}

function readNames(tokens: Node[], module: Module): void {
  for (let at = 0; at < tokens.length; at++) {
    const first = tokens[at]!
    const line = first.startPosition.row + 1
    if (tokens[at - 1]?.text === '.') module.methods.push({ path: [first.text], line })
    if (!NAME.test(first.type)) continue
    const path = [first.text]
    while (tokens[at + 1]?.text === '::' && NAME.test(tokens[at + 2]?.type ?? '')) {
      at += 2
      path.push(tokens[at]!.text)
    }
    module.names.add(first.text)
    if (path.length === 1) continue
    module.paths.push({ path, line })
    module.methods.push({ path, line })
  }
}
