/** The package managers that cmalloc is installed with. */

import { join } from 'node:path'
import { NPM, ROOT } from './stage.js'

export interface Manager {
  name: string
  /** Its program, and what it is told to add a package. */
  program: string
  add: string[]
  /** Its configuration: files, by name. */
  configuration(registry: string): Record<string, string>
  /** Whether packages can only be found by programs that it runs itself. */
  runsPrograms?: boolean
  /** Whether it fetches the packages of all platforms, and installs one of them. */
  fetchesAll?: boolean
}

const BERRY = join(ROOT, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js')

const npmrc = (registry: string): Record<string, string> => ({ '.npmrc': `registry=${registry}/\n` })

const berry =
  (linker: string) =>
  (registry: string): Record<string, string> => ({
    'yarn.lock': '',
    '.yarnrc.yml': [
      `npmRegistryServer: '${registry}'`,
      'unsafeHttpWhitelist: [127.0.0.1]',
      `nodeLinker: ${linker}`,
      'enableTelemetry: false',
      'pnpEnableEsmLoader: true',
      'enableGlobalCache: false',
      '',
    ].join('\n'),
  })

export const MANAGERS: Manager[] = [
  { name: 'npm', program: NPM, add: ['install', '--no-audit', '--no-fund'], configuration: npmrc },
  { name: 'pnpm', program: join(ROOT, 'node_modules/pnpm/bin/pnpm.cjs'), add: ['add'], configuration: npmrc },
  {
    name: 'yarn 1',
    program: join(ROOT, 'node_modules/yarn/bin/yarn.js'),
    add: ['add', '--non-interactive'],
    configuration: (registry) => ({ '.yarnrc': `registry "${registry}"\n` }),
    fetchesAll: true,
  },
  { name: 'yarn 4', program: BERRY, add: ['add'], configuration: berry('node-modules') },
  { name: 'yarn 4, PnP', program: BERRY, add: ['add'], configuration: berry('pnp'), runsPrograms: true },
]
