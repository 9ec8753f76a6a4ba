import { table } from '../../bench/report/text.js'
import type { Package } from './stage.js'

export function printTable(head: string[], rows: string[][]): void {
  console.log(`${table(head, rows)}\n`)
}

export function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`
}

export function printPackages(packages: Package[]): void {
  for (const { manifest, files } of packages.filter(({ standIn }) => !standIn)) {
    console.log(`${manifest.name}: ${files.map(({ path }) => path).join(' ')}\n`)
  }
  printTable(
    ['package', 'version', 'files', 'packed', 'unpacked', ''],
    packages.map(({ manifest: { name, version }, files, tarball, unpackedSize, standIn }) => [
      name,
      version,
      String(files.length),
      standIn ? '-' : kilobytes(tarball.length),
      standIn ? '-' : kilobytes(unpackedSize),
      standIn ? 'not built here' : '',
    ]),
  )
}
