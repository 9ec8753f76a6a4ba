import type { Package } from './stage.js'

export function printTable(head: string[], rows: string[][]): void {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)))
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  console.log([line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), ''].join('\n'))
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
