import { JSX } from 'typedoc'

/**
 * Opens groups of the navigation, until a reader closes them: typedoc begins with all closed.
 *
 * @param {import('typedoc').Application} app
 * @param {string[]} titles
 */
export function openGroups(app, titles) {
  // typedoc's own script reads this as it makes the navigation, which is after the head.
  const keys = JSON.stringify(titles.map((title) => `tsd-accordion-${title}`))
  const html = `<script>for (const key of ${keys}) localStorage[key] ??= true</script>`
  app.renderer.hooks.on('head.end', () => JSX.createElement(JSX.Raw, { html }))
}
