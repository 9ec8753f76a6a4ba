import { defineSuite } from '../random/suite.js'
import { ARENA_KINDS } from './steps/arenas.js'
import { BLOCK_KINDS } from './steps/blocks.js'
import { CACHE_KINDS } from './steps/cache.js'
import { CONTENT_KINDS } from './steps/contents.js'
import { ESCAPE_KINDS } from './steps/escapes.js'
import { MANAGER_KINDS } from './steps/managers.js'
import { OWNER_KINDS } from './steps/owners.js'
import { POOL_KINDS } from './steps/pools.js'
import { REQUEST_KINDS } from './steps/requests.js'
import { SHARED_KINDS } from './steps/shared.js'
import { MEMORY_LIMIT, World } from './world.js'

const KINDS = [
  ...BLOCK_KINDS,
  ...CONTENT_KINDS,
  ...OWNER_KINDS,
  ...ESCAPE_KINDS,
  ...ARENA_KINDS,
  ...POOL_KINDS,
  ...MANAGER_KINDS,
  ...REQUEST_KINDS,
  ...SHARED_KINDS,
  ...CACHE_KINDS,
]

export const suite = defineSuite(MEMORY_LIMIT, 120, KINDS, () => new World())
