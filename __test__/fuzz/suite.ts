import { defineSuite } from '../random/suite.js'
import { BLOCK_KINDS } from './steps/blocks.js'
import { COPY_KINDS } from './steps/copies.js'
import { OWNER_KINDS } from './steps/owners.js'
import { STRANGER_KINDS } from './steps/strangers.js'
import { VIEW_KINDS } from './steps/views.js'
import { MEMORY_LIMIT, World } from './world.js'

const KINDS = [...BLOCK_KINDS, ...COPY_KINDS, ...OWNER_KINDS, ...VIEW_KINDS, ...STRANGER_KINDS]

export const suite = defineSuite(MEMORY_LIMIT, 30, KINDS, () => new World())
