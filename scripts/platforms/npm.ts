/** What comes from npm for another platform than this one: Node, and the addon of koffi. */

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { must, once, ROOT } from './tools.js'

/** The folder of an unpacked package; nothing of it is run. */
export function npmPackage(requirement: string): string {
  return join(unpack(requirement, '.'), 'package')
}

/** A `node_modules` with the addon of koffi for a platform, for NODE_PATH. */
export function koffiFor(platform: string): string {
  const { version } = require(join(ROOT, 'node_modules/koffi/package.json')) as { version: string }
  return unpack(`@koromix/koffi-${platform}@${version}`, `@koromix/koffi-${platform}`)
}

function unpack(requirement: string, into: string): string {
  return once(requirement.replaceAll(/[@/]+/g, '-').replace(/^-/, ''), (folder) => {
    must('npm', ['pack', '--silent', requirement, '--pack-destination', folder], { cwd: folder })
    const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz'))!
    const target = join(folder, into)
    const strip = into === '.' ? [] : ['--strip-components=1']
    must('mkdir', ['-p', target])
    must('tar', ['-xzf', join(folder, tarball), '-C', target, ...strip])
    rmSync(join(folder, tarball))
  })
}
