import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Renderer } from 'typedoc'

/**
 * Mends lunr, the search of the site, in the script that typedoc writes. It takes two sets of words for one if a letter
 * that is a digit and the number behind it look like another pair: 6, 47 and 64, 7. With "arm64" and "x86_64" in the
 * text, it then throws at what is found by parts of them, "in" or "to" too, and shows nothing. A comma ends the number.
 *
 * @param {import('typedoc').Application} app
 */
export function mendSearch(app) {
  app.renderer.on(Renderer.EVENT_END, ({ outputDirectory }) => {
    const path = join(outputDirectory, 'assets', 'main.js')
    const script = readFileSync(path, 'utf8')
    const pair = /(TokenSet\.prototype\.toString=function\(\)\{[^}]*\b(\w)=\2\+\w\+\w\.id)(?=\})/
    if (!pair.test(script)) throw new Error('The search of the site is no longer what docs/site/search.mjs mends')
    writeFileSync(path, script.replace(pair, '$1+","'))
  })
}
