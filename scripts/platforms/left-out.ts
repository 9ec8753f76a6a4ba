/** The tests that mean nothing on a platform as it runs here, each with its reason. */

export interface LeftOut {
  /** A whole spec, or a test of any spec by its title, in which `*` stands for anything. */
  spec?: string
  title?: string
  why: string
}

/** Of an emulated processor: time, and what the emulator answers in the place of the kernel. */
export const EMULATED: readonly LeftOut[] = [
  { spec: 'readme', why: 'documents do not depend on the platform' },
  { spec: 'tour', why: 'it compares times' },
  { spec: 'fuzz', why: 'each process takes minutes under emulation' },
  { spec: 'model', why: 'each process takes minutes under emulation' },
  { spec: 'workers', why: 'threads that end at random moments are about time' },
  { spec: 'sweep', why: 'loops over gigabytes take hours under emulation' },
  { spec: 'mem-manager-loops', why: 'loops take hours under emulation' },
]

/** Of musl: its allocator keeps no freed memory of this length, and gives no block the boundary of a huge page. */
export const MUSL: readonly LeftOut[] = [
  {
    title: '*freed memory is poisoned*',
    why: 'it reads memory that was freed: musl gives a block of that length back to the system at once',
  },
  {
    title: '*a block in warm memory, of which the system dropped*',
    why: 'musl gives it back at once: it is never warm',
  },
  {
    title: '*a large block that is resized is moved as it is, and stays on the boundary of a huge page*',
    why: "musl's realloc moves the block by itself, with its header before it: resident, but on no boundary",
  },
]

/** Of an addon that is named by NAPI_RS_NATIVE_LIBRARY_PATH. */
export const BY_PATH: readonly LeftOut[] = [
  { spec: 'binding', why: 'it is about how the addon is found: here its path is given' },
]

/** Of wine 8. */
export const WINE: readonly LeftOut[] = [
  {
    title: '*the example server.ts runs',
    why: "Node's fetch sets an option of sockets, TCP_KEEPALIVE, that wine does not know: it cannot connect",
  },
  {
    title: '*the examples have no type errors',
    why: "TypeScript's compiler is a program of the machine that npm installed it on; types do not depend on the platform",
  },
]

/** With another allocator in the place of glibc's. */
export const PRELOADED_LEFT_OUT: Readonly<Record<'jemalloc' | 'mimalloc' | 'tcmalloc', readonly LeftOut[]>> = {
  jemalloc: [],
  mimalloc: [],
  tcmalloc: [],
}

/** Of Bun and of Deno: as many handles as this takes. */
const HANDLES: LeftOut = {
  title: '*a container is filled with blocks of 4096 bytes*',
  why: 'the handles of so many blocks fill the container too, and their heap does not shrink in time',
}

/** Of Bun: its collector looks for objects on the stack, and so keeps some that nothing refers to any more. */
export const BUN: readonly LeftOut[] = [
  {
    spec: 'model',
    why: 'its model says of every dropped ArrayBuffer that it is collected: some are found on the stack',
  },
  HANDLES,
]

/** Of Deno: what it does not give back by itself. */
export const DENO: readonly LeftOut[] = [
  {
    title: '*threads that end at any moment leave no block*',
    why: 'Deno keeps what was sent to a worker that ended before it received it, of any ArrayBuffer',
  },
  HANDLES,
]
