/** Versions of TypeScript, that check the types of cmalloc too: without `skipLibCheck`. Their own they take for right. */

import { runtimePath } from '../../../__test__/support/run.js'
import type { Place, Project } from '../kit.js'

/** The oldest one must know `using`. */
const VERSIONS = {
  '5.2': '5.2.2',
  '5.3': '5.3.3',
  '5.4': '5.4.5',
  '5.5': '5.5.4',
  '5.6': '5.6.3',
  '5.7': '5.7.3',
  '5.8': '5.8.3',
  '5.9': '5.9.3',
  '6.0': '6.0.3',
  '7.0': '7.0.2',
}

const aliases = Object.entries(VERSIONS).map(([name, version]) => [`typescript-${name}`, `npm:typescript@${version}`])
const TYPESCRIPT: Project = { name: 'typescript', dependencies: Object.fromEntries(aliases) }

/** How imports are resolved: each has its own file of options. The second one for the oldest and the newest only. */
const resolutions = (version: string): string[] =>
  version === '5.2' || version === '7.0' ? ['node16', 'bundler'] : ['node16']

export const COMPILERS: readonly Place[] = Object.keys(VERSIONS).map((version) => ({
  name: `TypeScript ${version}, ${resolutions(version).join(' and ')}`,
  project: TYPESCRIPT,
  node: 20,
  files: { 'types.ts': 'types.ts', 'node16.json': 'types-node16.json', 'bundler.json': 'types-bundler.json' },
  commands: ({ tool }) =>
    resolutions(version).map((name) => ({
      command: runtimePath(20),
      args: [tool(`typescript-${version}/bin/tsc`), '-p', `${name}.json`],
    })),
  times: 0,
}))
