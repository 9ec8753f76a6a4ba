/** Debian's packages, unpacked into `target/tools`: nothing of the system changes. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { must, NotHere, once } from './tools.js'

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

export interface Wanted {
  /** What the folder is called. */
  name: string
  packages: readonly string[]
  /** A release other than the machine's own. */
  suite?: string
  arch?: 'amd64' | 'arm64'
  /** Does in the folder what is otherwise done as the packages are installed. */
  finish?(folder: string): void
}

/** The folder into which these packages are unpacked. Their dependencies are not. */
export function debian({ name, packages, suite = ownSuite(), arch = 'amd64', finish }: Wanted): string {
  return once(name, (folder) => {
    const apt = join(folder, 'apt')
    for (const path of ['state/lists/partial', 'cache/archives/partial'])
      mkdirSync(join(apt, path), { recursive: true })
    writeFileSync(join(apt, 'status'), '')
    writeFileSync(join(apt, 'sources.list'), `deb [signed-by=${KEYRING}] ${archive()} ${suite} main\n`)
    const options = Object.entries({
      'Dir::State': join(apt, 'state'),
      'Dir::State::status': join(apt, 'status'),
      'Dir::Cache': join(apt, 'cache'),
      'Dir::Etc::sourcelist': join(apt, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'APT::Architecture': arch,
      'APT::Architectures': arch,
      'APT::Sandbox::User': 'root',
    }).flatMap(([key, value]) => ['-o', `${key}=${value}`])
    must('apt-get', [...options, 'update'])
    must('apt-get', [...options, 'download', ...packages], { cwd: folder })
    for (const file of readdirSync(folder).filter((each) => each.endsWith('.deb'))) {
      must('dpkg', ['-x', join(folder, file), folder])
      rmSync(join(folder, file))
    }
    rmSync(apt, { recursive: true })
    finish?.(folder)
  })
}

function ownSuite(): string {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  const suite = /^VERSION_CODENAME=(.+)$/m.exec(release)?.[1]
  if (!/^ID=debian$/m.test(release) || suite === undefined) throw new NotHere('it takes packages of Debian')
  return suite
}

/** Where this machine's own apt finds Debian. */
function archive(): string {
  const uris = must('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']).split('\n')
  const found = uris.find((uri) => /\/debian\/?$/.test(uri))
  if (found === undefined) throw new NotHere('apt has no source of Debian')
  return found
}
