/** Memory control groups, to run a process in as a container would. systemd-run makes them too, but not in a container. */

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface MemoryGroup {
  readonly path: string
  /** What stands before a command to run it in the group. */
  readonly prefix: string[]
  /** The name of the file that says how many bytes are charged to the group. */
  readonly usageFile: string
  /** A group inside of this one. */
  nest(name: string, limit: number | null): MemoryGroup
  remove(): Promise<void>
}

interface Hierarchy {
  version: 1 | 2
  mountPoint: string
  /** The directory of this process's own group. */
  own: string
}

/** Why no group can be made on this machine; `undefined` if one can. */
export function whyNoGroups(): string | undefined {
  try {
    const group = createGroup('probe', null)
    rmdirSync(group.path)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** Makes a group with a limit in bytes. A group of an earlier run that was killed does not matter. */
export function createGroup(name: string, limit: number | null): MemoryGroup {
  const found = hierarchies()
  let reason = 'there is no hierarchy with a memory controller'
  for (const hierarchy of found) {
    try {
      const parent = parentFor(hierarchy)
      return makeGroup(hierarchy.version, join(parent, `cmalloc-test-${process.pid}-${name}`), limit)
    } catch (error) {
      reason = (error as Error).message
    }
  }
  throw new Error(reason)
}

/** The least limit that this process's own groups set; `undefined` if they set none. */
export function ownLimit(): number | undefined {
  const limits = hierarchies().flatMap(({ version, mountPoint, own }) => {
    const groups = []
    for (let group = own; !relative(mountPoint, group).startsWith('..'); group = dirname(group)) groups.push(group)
    return groups.map((group) => readLimit(join(group, limitFile(version))))
  })
  const set = limits.filter((limit) => limit < 2 ** 62)
  return set.length === 0 ? undefined : Math.min(...set)
}

function readLimit(file: string): number {
  const text = existsSync(file) ? readFileSync(file, 'utf8').trim() : 'max'
  return text === 'max' ? Infinity : Number(text)
}

const limitFile = (version: 1 | 2): string => (version === 1 ? 'memory.limit_in_bytes' : 'memory.max')

function makeGroup(version: 1 | 2, path: string, limit: number | null): MemoryGroup {
  mkdirSync(path)
  try {
    if (limit !== null) setLimit(version, path, limit)
  } catch (error) {
    rmdirSync(path)
    throw error
  }
  return {
    path,
    prefix: ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', path],
    usageFile: version === 1 ? 'memory.usage_in_bytes' : 'memory.current',
    nest(name, innerLimit) {
      if (version === 2) writeFileSync(join(path, 'cgroup.subtree_control'), '+memory')
      return makeGroup(version, join(path, name), innerLimit)
    },
    remove: () => remove(path),
  }
}

function setLimit(version: 1 | 2, path: string, limit: number): void {
  writeFileSync(join(path, limitFile(version)), String(limit))
  // Without swap, so that what does not fit is refused or killed, not swapped.
  const [swapFile, swapLimit] = version === 1 ? ['memory.memsw.limit_in_bytes', limit] : ['memory.swap.max', 0]
  if (existsSync(join(path, swapFile))) writeFileSync(join(path, swapFile), String(swapLimit))
}

async function remove(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      rmdirSync(path)
      return
    } catch (error) {
      // The last process of the group may still be on its way out.
      if (attempt === 100) throw error
      // oxlint-disable-next-line no-await-in-loop -- it waits for that process
      await sleep(20)
    }
  }
}

/** In version 2 a group that has processes cannot have groups with a controller: the next one above can. */
function parentFor({ version, mountPoint, own }: Hierarchy): string {
  if (version === 1) return own
  for (let group = own; !relative(mountPoint, group).startsWith('..'); group = dirname(group)) {
    const control = join(group, 'cgroup.subtree_control')
    if (existsSync(control) && readFileSync(control, 'utf8').split(/\s/).includes('memory')) return group
  }
  throw new Error('no group above this process hands the memory controller on')
}

function hierarchies(): Hierarchy[] {
  if (!existsSync('/proc/self/mountinfo') || !existsSync('/proc/self/cgroup')) return []
  const membership = readFileSync('/proc/self/cgroup', 'utf8').split('\n')
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [mount = '', fileSystem = ''] = line.split(' - ')
      const [type, , options = ''] = fileSystem.split(' ')
      const [, , , root = '/', mountPoint = ''] = mount.split(' ')
      const isMemory = type === 'cgroup' && options.split(',').includes('memory')
      if (!isMemory && type !== 'cgroup2') return []
      const version = isMemory ? 1 : 2
      const entry = membership
        .map((text) => text.split(':'))
        .find(([, controllers]) => (isMemory ? controllers?.split(',').includes('memory') : controllers === ''))
      const inside = relative(root, entry?.slice(2).join(':') ?? '/')
      const own = inside.startsWith('..') ? mountPoint : join(mountPoint, inside)
      return [{ version, mountPoint, own }]
    })
}
