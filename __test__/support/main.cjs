// Runs a program as CommonJS, which hooks of `require` compile: Deno does not compile its main module by them.
process.argv.splice(1, 1)
require(process.argv[1])
