/**
 * A registry of a few packages, on this machine: all that an installation can reach. Not verdaccio, which would have to
 * be set up, filled and watched, and would not say what was fetched.
 */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { digest, type Package } from './stage.js'

export interface Registry {
  url: string
  /** The names of the packages whose tarballs were fetched, and of those that were asked for and are not here. */
  fetched: Set<string>
  unknown: Set<string>
  close(): void
}

export async function serve(packages: Package[]): Promise<Registry> {
  const byName = new Map(packages.map((one) => [one.manifest.name, one]))
  const [fetched, unknown] = [new Set<string>(), new Set<string>()]
  const server = createServer((request, response) => {
    const [, name = '', rest] = decodeURIComponent(request.url ?? '').split('/')
    const found = byName.get(name)
    if (found === undefined) {
      unknown.add(name)
      response.writeHead(404).end('{}')
    } else if (rest === '-') {
      fetched.add(name)
      response.setHeader('content-type', 'application/octet-stream').end(found.tarball)
    } else {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(describe(found, url)))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    fetched,
    unknown,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function describe({ manifest, tarball }: Package, url: string): object {
  const { name, version } = manifest
  const dist = {
    tarball: `${url}/${name}/-/${name}-${version}.tgz`,
    shasum: digest(tarball, 'sha1'),
    integrity: `sha512-${digest(tarball, 'sha512')}`,
  }
  // Long ago, for package managers that do not take what is new.
  const time = { created: '2020-01-01T00:00:00.000Z', [version]: '2020-01-01T00:00:00.000Z' }
  return { name, 'dist-tags': { latest: version }, versions: { [version]: { ...manifest, dist } }, time }
}
