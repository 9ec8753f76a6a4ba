/**
 * Bundles `lib/`, which tsc has compiled to ES modules in `target/lib`, to CommonJS in `dist/`: a file for each entry and
 * one for each folder. What must be fast shares one file: `core/`, with `runtime/` below and `arena/` above. Within a file
 * a call is a call. Between modules of CommonJS it looks up a property each time: `malloc` then takes a tenth longer, and a
 * region of an arena five times as long.
 */

const ENTRIES = ['index', 'arena', 'conformance', 'mem-manager', 'pool']

export default {
  input: Object.fromEntries(ENTRIES.map((name) => [name, `target/lib/${name}.js`])),
  external: /^node:/,
  output: {
    dir: 'dist',
    format: 'cjs',
    manualChunks: (path) => /\/target\/lib\/([\w-]+)\//.exec(path)?.[1].replace(/^(runtime|arena)$/, 'core'),
    entryFileNames: '[name].js',
    // As deep as its modules in `lib/`: their paths to the binding are right.
    chunkFileNames: '[name]/index.js',
    exports: 'named',
    esModule: true,
    interop: 'esModule',
    hoistTransitiveImports: false,
    generatedCode: { constBindings: true },
  },
}
