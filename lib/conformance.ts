/**
 * The rules that an allocator keeps which others build on, each as a test for any test runner.
 *
 * @module cmalloc/conformance
 */

export { conformance, type ConformanceTest } from './conformance/conformance.js'
export type { AllocatedBuffer, Allocator } from './core/allocator.js'
