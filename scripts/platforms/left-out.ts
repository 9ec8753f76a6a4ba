/** The tests that mean nothing on a platform as it runs here, each with its reason. */

export interface LeftOut {
  /** A whole spec, or a test of any spec by its title, in which `*` stands for anything. */
  spec?: string
  title?: string
  why: string
}

/** Some titles for one reason. */
const because = (why: string, titles: readonly string[]): LeftOut[] => titles.map((title) => ({ title, why }))

const SHARP: LeftOut = { title: '*the example sharp.mjs runs*', why: 'npm installs the libvips of this machine only' }

/** Of every place. */
export const EVERYWHERE: readonly LeftOut[] = [
  { spec: 'worker-elsewhere', why: 'it is about how the places of Bun and Deno are set up, from here' },
]

/** Of an emulated processor: time, and what the emulator answers in the place of the kernel. */
export const EMULATED: readonly LeftOut[] = [
  SHARP,
  { spec: 'readme', why: 'documents do not depend on the platform' },
  ...because('Node asks for the resident set by /proc/self/stat, in whose place qemu has zeros', [
    '*an allocator that keeps what was freed is told which rule it breaks*',
  ]),
  ...because('qemu has memory of its own in the resident set, and in the container, that is to be small', [
    '*2 GiB aligned as far as can be cost addresses, and no memory until they are used*',
    '*an aligned block that is not lazy takes the memory that it holds, and no more*',
    '*a block is lazy in the debug mode too, also as it is freed*',
    '*one that is refused or given up half-way takes no more memory than it had*',
    '*a refusal touches no page*',
    '*1 GiB in a container of 300 MB is an error*',
    '*of two nested containers it is*',
    '*a container is filled with blocks*',
    '*file pages that the container can drop*',
  ]),
  ...because("qemu keeps a process's limit of addresses to itself: it limits nothing", [
    '*that realloc cannot grow*',
    '*malloc throws what the C allocator has not*',
    '*a foreign block that could not be resized has no redzone until it is resized*',
    '*`ERR_CMALLOC_OUT_OF_MEMORY`: the C allocator*',
  ]),
  ...because('qemu takes MADV_DONTDUMP, and does nothing', [
    '*a secure block is locked and hidden as long as it lives*',
    '*a resize keeps it secure, and leaves nothing behind*',
    '*it can be aligned, and made in steps*',
    '*it is absent from a core dump*',
  ]),
  ...because('where a mapping begins is up to qemu: the block is resident, but on no boundary', [
    '*a large block that is resized is moved as it is, and stays on the boundary of a huge page*',
  ]),
  {
    spec: 'sandboxes',
    why: "qemu gives no filter of calls to the kernel, and Node's flags do not depend on the processor",
  },
  { spec: 'tour', why: 'it compares times' },
  { spec: 'fuzz', why: 'each process takes minutes under emulation' },
  { spec: 'model', why: 'each process takes minutes under emulation' },
  { spec: 'workers', why: 'threads that end at random moments are about time' },
  { spec: 'sweep', why: 'loops over gigabytes take hours under emulation' },
  { spec: 'mem-manager-loops', why: 'loops take hours under emulation' },
]

/** Of musl: it aligns less; its allocator keeps no freed memory of this length, and gives no block the boundary of a huge page. */
export const MUSL: readonly LeftOut[] = [
  ...because('it asks for an alignment of 4 GiB: with musl there is none over 1 GiB', [
    '*the example under "Options" runs*',
    '*the example under "Addresses without memory, and other options" runs*',
  ]),
  SHARP,
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
  SHARP,
  { title: '*the example under "Options" runs*', why: 'it asks for a larger alignment than there is on Windows' },
  ...because('there is no git for Windows here; it is about how a release is made, on any system', [
    '*the crate is compared with the newest release before the commit*',
    '*a shallow clone does not pass for one without releases*',
  ]),
  ...because("Node's fetch sets an option of sockets, TCP_KEEPALIVE, that wine does not know: it cannot connect", [
    '*the example server.ts runs',
    '*the example http.mjs runs*',
  ]),
  ...because(
    "TypeScript's compiler is a program of the machine that npm installed it on; types do not depend on the platform",
    ['*the examples have no type errors', '*the recipes have no type errors'],
  ),
]

/** Of any allocator but glibc's. */
const NOT_GLIBC: readonly LeftOut[] = [
  {
    title: '*aborts over the header behind it*',
    why: "it is about what glibc's free() says of a header that was overwritten: others have none",
  },
  ...because("only glibc's headers tell what is no block", [
    '*consume refuses mapped memory that is none of malloc*',
    "*What glibc's books say*",
  ]),
  {
    title: '*a large block that is resized is moved as it is, and stays on the boundary of a huge page*',
    why: 'where realloc moves a block is up to the allocator: resident, but on no boundary',
  },
  {
    title: '*threads that end at any moment leave no block*',
    why: 'it asks glibc how much of its heap is in use, which is not the heap there',
  },
]

const CLEARS: readonly LeftOut[] = [
  {
    title: '*a Buffer of as many zeros, in contrast, is only promised*',
    why: 'it is about calloc, which touches what it clears there',
  },
  { spec: 'tour', why: 'it shows that a Buffer of zeros is only promised: calloc touches what it clears there' },
]

const RETAINS: LeftOut = {
  title: '*is in the resident set of the process, and leaves it when freed*',
  why: 'the allocator gives memory back in its own time, not as it is freed',
}

/** With another allocator in the place of glibc's. */
export const PRELOADED_LEFT_OUT: Readonly<Record<'jemalloc' | 'mimalloc' | 'tcmalloc', readonly LeftOut[]>> = {
  jemalloc: [
    ...NOT_GLIBC,
    {
      title: '*a block in warm memory, of which the system dropped*',
      why: 'jemalloc does not give the memory that was freed last: there is no telling what is warm',
    },
  ],
  mimalloc: [
    ...NOT_GLIBC,
    ...CLEARS,
    RETAINS,
    {
      title: '*a container is filled with blocks of 4096 bytes*',
      why: 'of so many small blocks mimalloc keeps what was freed, also when it is asked for it: the container stays full',
    },
  ],
  tcmalloc: [
    ...NOT_GLIBC,
    ...CLEARS,
    RETAINS,
    ...because('it looks whether the container has freed memory again, which tcmalloc keeps until it is asked for it', [
      '*1 GiB in a container of 300 MB is an error*',
      '*of two nested containers it is*',
    ]),
    ...because('it looks at the resident set, in which tcmalloc keeps what was freed', [
      '*a synchronous loop that drops handles gets them again*',
      '*drops blocks does not pile them up*',
    ]),
  ],
}

/** Of Bun and of Deno: as many handles as this takes. */
const HANDLES: LeftOut = {
  title: '*a container is filled with blocks of 4096 bytes*',
  why: 'the handles of so many blocks fill the container too, and their heap does not shrink in time',
}

/** Of Bun and of Deno: what is in flight. */
const IN_FLIGHT: LeftOut = {
  title: '*the example under "Bytes in use" runs*',
  why: 'it cannot be asked what is in flight: there such a program needs a pin',
}

/** Of Bun: its collector looks for objects on the stack, and so keeps some that nothing refers to any more. */
export const BUN: readonly LeftOut[] = [
  {
    spec: 'model',
    why: 'its model says of every dropped ArrayBuffer that it is collected: some are found on the stack',
  },
  HANDLES,
  IN_FLIGHT,
  {
    title: '*the example under "Memory by memoryUsage().external" runs*',
    why: 'it is about the numbers of V8: those of Bun are others',
  },
  { title: '*it is absent from a core dump*', why: 'a core dump of Bun is too large to be read' },
]

/** Of Deno: what it does not give back by itself. */
export const DENO: readonly LeftOut[] = [
  {
    title: '*threads that end at any moment leave no block*',
    why: 'Deno keeps what was sent to a worker that ended before it received it, of any ArrayBuffer',
  },
  { title: '*a signal is reported with the sequence*', why: 'a process of Deno does not send itself that signal' },
  {
    spec: 'mem-manager-loops',
    why: 'its loops rely on garbage that is collected because of memory that was reported: Deno takes no notice',
  },
  HANDLES,
  IN_FLIGHT,
]
