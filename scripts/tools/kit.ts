/** What the lists of places are made of. */

import type { Runtime } from '../../__test__/support/run.js'

/** Tools that are installed together, in a folder of their own. */
export interface Project {
  name: string
  /** Pinned. */
  dependencies: Record<string, string>
}

/** Where the commands of a place run. */
export interface At {
  /** Its own folder, inside that of the project: with the files that it asks for. */
  folder: string
  /** The folder of what was built, with no tools above it; it gets what was left in `out` of the other. */
  deployed: string
  /** The path of a tool's own file. */
  tool(path: string): string
}

export interface Command {
  command: string
  args: string[]
  /** Whether it runs where the result is deployed, and not where it is built. */
  deployed?: boolean
  env?: Record<string, string>
}

/** A row of the table: somewhere that programs run. */
export interface Place {
  name: string
  /** The heading of the guide under which it stands. */
  recipe?: string
  project: Project
  /** What Node is found as `node` by the tools. */
  node: Runtime
  /** What its folder has: fixtures, by the names that they get. */
  files: Record<string, string>
  /** Other files, by their names. */
  texts?: Record<string, string>
  /** What runs there, one after the other. The last one runs the cases. */
  commands(at: At): Command[]
  /** How many times the cases are run: by each file, say. */
  times: number
  /** Whether cmalloc is installed where the result is deployed. */
  withModules?: boolean
  /** It cannot work here: what the error must say that tells what to do. */
  refuses?: RegExp
  /** What it says if it needs something of the network that is not there. Then it is not run, which is no failure. */
  unreachable?: RegExp
  /** What else the output must not have. */
  silent?: RegExp
}
