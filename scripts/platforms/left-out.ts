/** The tests that mean nothing on a platform as it runs here, each with its reason. */

export interface LeftOut {
  /** A whole spec, or a test of any spec by its title, in which `*` stands for anything. */
  spec?: string
  title?: string
  why: string
}

/** Of an emulated processor: time, and what the emulator answers in the place of the kernel. */
export const EMULATED: readonly LeftOut[] = [
  { title: '*the example sharp.ts runs*', why: 'npm installs the libvips of this machine only' },
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
  { title: '*the example sharp.ts runs*', why: 'npm installs the libvips of this machine only' },
  {
    title: '*freed memory is poisoned*',
    why: 'it reads memory that was freed: musl gives a block of that length back to the system at once',
  },
  {
    title: '*the debug mode is off with*',
    why: 'it writes past a block: the allocator of musl ends the process for that by itself',
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
