/** What places and tools say. */

export interface Report {
  planned: { sets: number; cases: number }
  held: number
  /** Which cases failed, each with the reason. */
  failures: string[]
}

/** Reads what the cases have written, one line each. */
export function readReport(text: string): Report {
  const report: Report = { planned: { sets: 0, cases: 0 }, held: 0, failures: [] }
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [kind, name, title, message] = line.split('\t')
    if (kind === 'planned') {
      report.planned.sets += 1
      report.planned.cases += Number(title)
    } else if (kind === 'ok') report.held += 1
    else report.failures.push(`${name}: ${title}: ${message}`)
  }
  return report
}

/** The line of a tool's output that says what is wrong: the first one that looks like an error, or else the last. */
export function firstError(output: string): string {
  const lines = output
    // oxlint-disable-next-line no-control-regex -- the colours of a terminal
    .replace(/\u001b\[[\d;]*m/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('$ '))
  return lines.find((line) => /\w*(Error|ERR_\w+)\b.*:|^error\b|\berror TS\d/i.test(line)) ?? lines.at(-1) ?? 'nothing'
}
