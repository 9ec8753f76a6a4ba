// What `npm publish` runs before it builds and uploads. The release job publishes with --ignore-scripts.
console.error(
  'Packages are published by the release job alone, which has the addons of all platforms: see CONTRIBUTING.md',
)
process.exitCode = 1
