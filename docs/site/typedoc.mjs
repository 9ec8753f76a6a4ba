/** `npm run docs`: what the site is made of, and what it must have. */

import { fileURLToPath } from 'node:url'
import { codeInText } from './code.mjs'
import { nameDocuments } from './documents.mjs'
import { linkSources } from './links.mjs'
import { openGroups } from './navigation.mjs'
import { mendSearch } from './search.mjs'
import { headedCells } from './tables.mjs'

const REPOSITORY = 'https://github.com/cmalloc/cmalloc'
const SITE = 'https://cmalloc.github.io/cmalloc/'

/** In the order in which they are read. A spec checks that none is forgotten. */
const GUIDES = [
  'choosing',
  'recipes',
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

/** Libraries and runtimes, as the index `docs/recipes.md` has them. */
const RECIPES = [
  'koffi',
  'node-ffi',
  'bun-ffi',
  'deno-ffi',
  'ffi-rs',
  'sharp',
  'canvas',
  'onnxruntime',
  'arrow',
  'duckdb',
  'lmdb',
  'zlib',
  'http',
  'direct-io',
  'workers',
]

const MEASURED = ['bench/results/README', 'bench/README']

const PROJECT = ['CHANGELOG', 'SECURITY', 'CONTRIBUTING', 'docs/holders']

const inRepository = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const guides = GUIDES.map((name) => inRepository(`docs/${name}.md`))
const reference = REFERENCE.map((name) => inRepository(`docs/reference/${name}.md`))
const recipes = RECIPES.map((name) => inRepository(`docs/recipes/${name}.md`))
const measured = MEASURED.map((name) => inRepository(`${name}.md`))
const project = PROJECT.map((name) => inRepository(`${name}.md`))

const examples = inRepository('docs/reference/examples.md')
const GROUPS = {
  Guides: guides,
  Recipes: recipes,
  Reference: reference.filter((page) => page !== examples),
  'Examples and measurements': [examples, ...measured],
}

/** @type {import('typedoc').TypeDocOptions} */
export default {
  name: 'cmalloc',
  entryPoints: [
    ...['index', 'arena', 'pool', 'mem-manager', 'conformance'].map((name) => inRepository(`lib/${name}.ts`)),
    inRepository('index.d.ts'),
  ],
  tsconfig: inRepository('tsconfig.json'),
  readme: inRepository('README.md'),
  projectDocuments: [...guides, ...recipes, ...reference, ...measured, ...project],
  out: inRepository('target/site'),

  plugin: [
    (app) => nameDocuments(app, { before: GROUPS, behind: { Project: project }, last: 'cmalloc/native' }),
    (app) => openGroups(app, Object.keys(GROUPS)),
    mendSearch,
    (app) => linkSources(app, { root: inRepository(''), blob: `${REPOSITORY}/blob/main` }),
  ],
  markdownItLoader: (parser) => {
    codeInText(parser)
    headedCells(parser)
  },
  customCss: fileURLToPath(new URL('style.css', import.meta.url)),
  highlightLanguages: ['rust', 'typescript', 'javascript', 'shellscript', 'json', 'c', 'perl'],
  navigation: { includeGroups: true },
  navigationLinks: { GitHub: REPOSITORY, npm: 'https://www.npmjs.com/package/cmalloc' },
  searchInDocuments: true,
  hostedBaseUrl: SITE,
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
