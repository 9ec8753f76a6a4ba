/**
 * Regions of resident chunks, which are needed together and end together.
 *
 * @module cmalloc/arena
 */

export { Arena, type ArenaOptions, type ArenaStats, type RegionOptions } from './arena/arena.js'
export { Region } from './arena/region.js'
export { Mark } from './arena/scope.js'
export type { AllocatedBuffer, Allocator } from './core/allocator.js'
