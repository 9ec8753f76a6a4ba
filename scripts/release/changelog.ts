/** The changelog, which says what is released. A parser of changelogs would take headings that must be refused here. */

export interface Release {
  version: string
  date: string
  /** What has changed, in Markdown. */
  notes: string
}

/** The topmost section. @throws if it is not that of a release */
export function topRelease(changelog: string): Release {
  const [, ...sections] = changelog.split(/^## /m)
  const [heading = '', ...lines] = (sections[0] ?? '').split('\n')
  const [, version, date] = /^\[(\d+\.\d+\.\d+(?:-[\w.]+)?)\] - (\d{4}-\d{2}-\d{2})$/.exec(heading) ?? []
  if (version === undefined || date === undefined) {
    throw new Error(`The top section of the changelog must be "## [X.Y.Z] - YYYY-MM-DD". It is "## ${heading}"`)
  }
  // A day that does not exist is another one when it is read back.
  if (Number.isNaN(Date.parse(date)) || new Date(date).toISOString().slice(0, 10) !== date) {
    throw new Error(`The changelog dates ${version} on ${date}, which is no day`)
  }
  const notes = lines.join('\n').trim()
  if (notes === '') throw new Error(`The changelog does not say what ${version} changes`)
  return { version, date, notes }
}

/** The same; `tag` is the one that is released, if there is one. @throws if the versions differ */
export function releaseOf(changelog: string, packageVersion: string, tag: string | undefined): Release {
  const release = topRelease(changelog)
  if (release.version !== packageVersion) {
    throw new Error(`The changelog is about ${release.version}, and package.json has ${packageVersion}`)
  }
  if (tag !== undefined && tag !== `v${release.version}`) {
    throw new Error(`The tag is ${tag}, and the changelog is about ${release.version}`)
  }
  return release
}
