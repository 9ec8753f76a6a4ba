import { relative } from 'node:path'
import { PageEvent, Renderer } from 'typedoc'

/** Before the pages are rendered. */
const EARLY = 1000

const IMAGE = /\.(?:svg|png)$/

/**
 * Links to files of the repository that are no pages lead to the repository: a site would serve them as downloads.
 * typedoc has checked that they exist.
 *
 * @param {import('typedoc').Application} app
 * @param {{ root: string, blob: string }} places - where the files are, and the address that they have
 */
export function linkSources(app, { root, blob }) {
  app.renderer.on(
    Renderer.EVENT_BEGIN,
    ({ project }) => {
      const { files } = project
      for (const parts of [project.readme, ...project.documents.map(({ content }) => content)]) {
        for (const [index, part] of parts.entries()) {
          if (part.kind !== 'relative-link' || typeof part.target !== 'number') continue
          const path = files.resolve(part.target, project)
          if (typeof path !== 'string' || IMAGE.test(path)) continue
          parts[index] = { kind: 'text', text: `${blob}/${relative(root, path)}` }
        }
      }
    },
    EARLY,
  )
  // Else a site that is read from the disk shows a folder.
  app.renderer.on(PageEvent.END, (page) => {
    page.contents = page.contents.replaceAll(/href="((?:\.\.\/)+)(#[^"]*)"/g, 'href="$1index.html$2"')
  })
}
