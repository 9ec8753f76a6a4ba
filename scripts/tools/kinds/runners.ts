/** Test runners. Each runs three files that use cmalloc, and files that load it again. */

import { readdirSync } from 'node:fs'
import { runtimePath, type Runtime } from '../../../__test__/support/run.js'
import type { Command, Place, Project } from '../kit.js'

const NONE: Project = { name: 'none', dependencies: {} }
const JEST: Project = { name: 'jest', dependencies: { jest: '30.5.2', 'jest-environment-jsdom': '30.5.2' } }
const MOCHA: Project = { name: 'mocha', dependencies: { mocha: '12.0.3' } }
// The newest that Node 20 takes; and the newest, which wants Node 22.12.
const VITEST_4: Project = { name: 'vitest-4', dependencies: { vitest: '4.1.12', 'happy-dom': '21.0.4' } }
const VITEST_5: Project = { name: 'vitest-5', dependencies: { vitest: '5.1.2', 'happy-dom': '21.0.4' } }

const node = (...args: string[]): Command => ({ command: runtimePath(20), args })

/** The same file under three names. */
function three(fixture: string, extension: string): Record<string, string> {
  return Object.fromEntries(['a', 'b', 'c'].map((name) => [`${name}.test.${extension}`, fixture]))
}

const COMMONJS = { 'shared.cjs': 'shared.cjs', 'load.cjs': 'load.cjs' }
const MODULES = { 'shared.mjs': 'shared.mjs', 'load.mjs': 'load.mjs' }

const jest = ['node', 'jsdom'].flatMap((environment): Place[] => {
  const config = JSON.stringify({
    testEnvironment: environment,
    testMatch: ['**/*.test.cjs'],
    cacheDirectory: '.cache',
  })
  const place = (name: string, files: Record<string, string>, times: number): Place => ({
    name: `Jest, ${environment}: ${name}`,
    project: JEST,
    node: 20,
    files: { ...COMMONJS, ...files },
    // In one process, one file after the other.
    commands: ({ tool, folder }) => [
      node(tool('jest/bin/jest.js'), '--runInBand', '--rootDir', folder, '--config', config),
    ],
    times,
  })
  return [
    place('three files', three('jest.cjs', 'cjs'), 3),
    place('resetModules', { 'a.test.cjs': 'jest-reset.cjs' }, 2),
    place('isolateModules', { 'a.test.cjs': 'jest-isolate.cjs' }, 2),
  ]
})

function vitest(project: Project, runtime: Runtime, pool: string, environments: string[], ...more: string[]): Place[] {
  // The files come one after the other, so that those that can share a thread do.
  const options = ['--pool', pool, '--no-file-parallelism', '--reporter', 'dot', ...more]
  return environments.map((environment) => ({
    name: [project.name.replace('vitest-', 'Vitest '), pool, ...more, environment].join(' '),
    project,
    node: runtime,
    files: { ...MODULES, ...three('vitest.mjs', 'mjs'), 'd.test.mjs': 'vitest-reset.mjs' },
    commands: ({ tool, folder }) => [
      {
        command: runtimePath(runtime),
        args: [tool('vitest/vitest.mjs'), 'run', '--root', folder, '--environment', environment, ...options],
      },
    ],
    times: 5,
  }))
}

const POOLS = ['forks', 'threads', 'vmForks', 'vmThreads']

/** What runs one file after the other in one process, or each in its own: three files, and two that load cmalloc again. */
function commonjs(name: string, fixture: string, place: Pick<Place, 'project' | 'node' | 'commands'>): Place[] {
  const files = (own: Record<string, string>): Record<string, string> => ({ ...COMMONJS, ...own })
  return [
    { ...place, name: `${name}: three files`, files: files(three(fixture, 'cjs')), times: 3 },
    {
      ...place,
      name: `${name}: scripts out of require.cache`,
      files: files({ 'a.test.cjs': 'decache.cjs' }),
      times: 3,
    },
    {
      ...place,
      name: `${name}: all out of require.cache`,
      files: files({ 'addon.test.cjs': 'decache.cjs' }),
      times: 3,
    },
  ]
}

function nodeTest(version: 20 | 22 | 24 | 26, ...isolation: string[]): Place[] {
  const options = ['--test', ...isolation]
  return commonjs(['node:test', ...isolation].join(' '), 'node-test.cjs', {
    project: NONE,
    node: version,
    commands: ({ folder }) => [{ command: runtimePath(version), args: [...options, ...testFiles(folder)] }],
  })
}

const testFiles = (folder: string): string[] => readdirSync(folder).filter((name) => name.includes('.test.'))

export const RUNNERS: readonly Place[] = [
  ...jest,
  ...POOLS.flatMap((pool) => vitest(VITEST_4, 20, pool, ['node', 'happy-dom'])),
  ...POOLS.flatMap((pool) => vitest(VITEST_5, 24, pool, ['node'])),
  ...vitest(VITEST_5, 24, 'threads', ['node', 'happy-dom'], '--no-isolate'),
  ...nodeTest(20),
  ...nodeTest(22, '--experimental-test-isolation=none'),
  ...nodeTest(24, '--test-isolation=process'),
  ...nodeTest(26, '--test-isolation=none'),
  ...commonjs('mocha', 'mocha.cjs', {
    project: MOCHA,
    node: 20,
    commands: ({ folder, tool }) => [node(tool('mocha/bin/mocha.js'), '--reporter', 'dot', ...testFiles(folder))],
  }),
  {
    name: 'bun test',
    project: NONE,
    node: 'bun',
    files: { ...MODULES, ...three('bun.mjs', 'mjs') },
    commands: () => [{ command: runtimePath('bun'), args: ['test'] }],
    times: 3,
  },
  {
    name: 'bun test --isolate',
    project: NONE,
    node: 'bun',
    files: { ...MODULES, ...three('bun.mjs', 'mjs') },
    commands: () => [{ command: runtimePath('bun'), args: ['test', '--isolate'] }],
    times: 3,
  },
  {
    name: 'deno test',
    project: NONE,
    node: 'deno',
    files: { ...MODULES, ...three('deno.mjs', 'mjs') },
    commands: () => [
      { command: runtimePath('deno'), args: ['test', '--allow-all', '--no-check', '--node-modules-dir=manual'] },
    ],
    times: 3,
  },
]
