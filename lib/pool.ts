/**
 * Blocks that stay resident after their end, and are handed out again.
 *
 * @module cmalloc/pool
 */

export { Pool, type PoolOptions, type PoolStats } from './pool/pool.js'
