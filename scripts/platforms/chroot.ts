/** This machine's files with a layer of others over them, as the root of processes: nothing of the system changes. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { must, ROOT } from './tools.js'

/** Mounts live in a namespace of their own, and so end with the process. The layer must not lie inside of what it covers. */
const ENTER = `
set -e
root=$1 files=$2 project=$3
shift 3
mkdir -p "$root/layer" "$root/merged"
mount -t tmpfs tmpfs "$root/layer"
cp -a "$files/." "$root/layer"
mount -t overlay overlay -o "lowerdir=$root/layer:/" "$root/merged"
for path in /dev /proc /sys /tmp /var/tmp "$project"; do mount --rbind "$path" "$root/merged$path"; done
exec chroot "$root/merged" sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
`

/** What to put before a command to run it there; throws why that cannot be done. */
export function chroot(name: string, files: string): readonly string[] {
  const folder = join(ROOT, 'target/platforms', name)
  mkdirSync(folder, { recursive: true })
  // Whoever is not root is it in a namespace, if the system lets him.
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user']
  const prefix = ['unshare', '--mount', ...asRoot, 'sh', '-c', ENTER, 'sh', join(folder, 'root'), files, ROOT]
  must(prefix[0]!, [...prefix.slice(1), 'true'])
  return prefix
}
