/**
 * The layers of the crate, the lowest first. What is in a layer may use that layer and those before it.
 *
 * A name is a file or a folder of `src/`. A folder stands for what is in it, except for what has a line of its own.
 */
export const LAYERS = [
  'error fault sync debug fill',
  'length reclaim',
  'allocator',
  'os',
  'budget placement residency',
  'touch',
  'block',
  'incremental pool',
  'napi/node_api',
  'napi/state',
  'napi',
  'napi/exports',
  'lib',
]

/** The types whose methods may stand in other files too. Who names a method like one of these uses that file. */
export const SPLIT = ['Block', 'BlockOptions']
