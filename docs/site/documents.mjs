import { ReflectionGroup, Renderer } from 'typedoc'

/** Before typedoc makes the navigation, and after it has said where each page will be. */
const EARLY = 1000

/**
 * Names each document by its first heading, in place of its file, and puts documents into groups around the modules.
 *
 * @param {import('typedoc').Application} app
 * @param {Record<'before' | 'behind', Record<string, string[]>>} groups - the files of each group
 * @param {string} groups.last - a module that few need: it comes behind the others
 */
export function nameDocuments(app, { before, behind, last }) {
  app.renderer.on(
    Renderer.EVENT_BEGIN,
    ({ project }) => {
      // The page of the README has a title already.
      const heading = headingOf(project.readme)
      project.readme[0].text = project.readme[0].text.slice(heading.length)
      for (const document of project.documents) document.name = headingOf(document.content).slice(2)
      const modules = project.groups.find(({ title }) => title === 'Modules')
      modules.children.sort((one, other) => (one.name === last) - (other.name === last))
      project.groups = [...groupsOf(project, before), modules, ...groupsOf(project, behind)]
    },
    EARLY,
  )
}

function groupsOf(project, groups) {
  return Object.entries(groups).map(([title, files]) => {
    const group = new ReflectionGroup(title, project)
    group.children = files.map((file) => documentOf(project, file))
    return group
  })
}

/** The heading that a text begins with. */
function headingOf(parts) {
  const [heading] = /^# .+/.exec(parts[0].text) ?? []
  if (heading === undefined) throw new Error(`A document begins without a heading: ${parts[0].text.slice(0, 80)}`)
  return heading
}

function documentOf(project, file) {
  const found = project.documents.find((document) => project.files.getReflectionPath(document) === file)
  if (found === undefined) throw new Error(`There is no document of ${file}`)
  return found
}
