/** `npm run docs`: what the site is made of, and what it must have. */

import { fileURLToPath } from 'node:url'
import { codeInText } from './code.mjs'
import { nameDocuments } from './documents.mjs'
import { linkSources } from './links.mjs'

const REPOSITORY = 'https://github.com/cmalloc/cmalloc'

/** In the order in which they are read. A spec checks that none is forgotten. */
const GUIDES = [
  'choosing',
  'lifetimes',
  'mistakes',
  'ffi',
  'workers',
  'test-runners',
  'debug-mode',
  'tuning',
  'bundling',
  'moving',
  'from-perl',
]

const REFERENCE = [
  'malloc',
  'native-buffer',
  'allocators',
  'errors',
  'guarantees',
  'platforms',
  'comparison',
  'examples',
]

const PROJECT = ['CHANGELOG', 'SECURITY', 'CONTRIBUTING', 'docs/holders', 'bench/README', 'bench/results/README']

const inRepository = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const guides = GUIDES.map((name) => inRepository(`docs/${name}.md`))
const reference = REFERENCE.map((name) => inRepository(`docs/reference/${name}.md`))
const project = PROJECT.map((name) => inRepository(`${name}.md`))

/** @type {import('typedoc').TypeDocOptions} */
export default {
  name: 'cmalloc',
  entryPoints: [
    ...['index', 'arena', 'pool', 'mem-manager', 'conformance'].map((name) => inRepository(`lib/${name}.ts`)),
    inRepository('index.d.ts'),
  ],
  tsconfig: inRepository('tsconfig.json'),
  readme: inRepository('README.md'),
  projectDocuments: [...guides, ...reference, ...project],
  out: inRepository('target/site'),

  plugin: [
    (app) => nameDocuments(app, { Guides: guides, Reference: reference, Project: project }),
    (app) => linkSources(app, { root: inRepository(''), blob: `${REPOSITORY}/blob/main` }),
  ],
  markdownItLoader: codeInText,
  customCss: fileURLToPath(new URL('style.css', import.meta.url)),
  highlightLanguages: ['rust', 'typescript', 'javascript', 'shellscript', 'json', 'c', 'perl'],
  navigation: { includeGroups: true },
  navigationLinks: { GitHub: REPOSITORY },
  sourceLinkTemplate: `${REPOSITORY}/blob/{gitRevision}/{path}#L{line}`,
  gitRevision: 'main',

  // What is no part of the API.
  excludeInternal: true,
  excludePrivate: true,
  // Everything else is documented, and every link leads somewhere, else there is no site.
  requiredToBeDocumented: [
    'Module',
    'Variable',
    'Function',
    'Class',
    'Constructor',
    'Interface',
    'Property',
    'Method',
    'Accessor',
    'TypeAlias',
  ],
  validation: { notExported: true, notDocumented: true, invalidLink: true, invalidPath: true, rewrittenLink: true },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
}
