/** One thing that was done: what was claimed of it, what was measured, and whether the two agree. */
interface Line {
  what: string
  claimed: string
  measured: string
  /** `undefined` if nothing was claimed. */
  ok: boolean | undefined
}

interface Section {
  title: string
  lines: Line[]
}

/** What the tour says, and whether all of it was so. */
export class Report {
  readonly #sections: Section[] = []

  section(title: string): void {
    this.#sections.push({ title, lines: [] })
  }

  /** The measured value must be the claimed one. */
  equal(what: string, measured: unknown, claimed: unknown): void {
    this.#add({ what, claimed: show(claimed), measured: show(measured), ok: Object.is(measured, claimed) })
  }

  /** So many bytes, give or take so many: memory of a process is never counted to the byte. */
  about(what: string, measured: number, claimed: number, tolerance: number): void {
    const ok = Math.abs(measured - claimed) <= tolerance
    this.#add({ what, claimed: `${mebibytes(claimed)} +- ${mebibytes(tolerance)}`, measured: mebibytes(measured), ok })
  }

  /** The call must throw an error with this code. */
  throws(what: string, call: () => unknown, code: string): void {
    try {
      call()
      this.#add({ what, claimed: code, measured: 'no error', ok: false })
    } catch (error) {
      const { code: measured, message } = error as Error & { code?: string }
      this.#add({ what, claimed: code, measured: `${measured}: ${message}`, ok: measured === code })
    }
  }

  /** Something that is only shown. */
  note(what: string, measured: string): void {
    this.#add({ what, claimed: '', measured, ok: undefined })
  }

  #add(line: Line): void {
    if (this.#sections.length === 0) this.section('')
    this.#sections.at(-1)!.lines.push(line)
  }

  get failed(): number {
    return this.#sections.flatMap(({ lines }) => lines).filter(({ ok }) => ok === false).length
  }

  /** As a table with aligned columns; what was measured comes last, as it may be a sentence. */
  toString(): string {
    const all = this.#sections.flatMap(({ lines }) => lines)
    const width = (column: 'what' | 'claimed'): number =>
      Math.max(column.length, ...all.map((line) => line[column].length))
    const row = (verdict: string, what: string, claimed: string, measured: string): string =>
      `  ${verdict.padEnd(6)}  ${what.padEnd(width('what'))}  ${claimed.padEnd(width('claimed'))}  ${measured}`
    const text = [row('', 'what', 'claimed', 'measured')]
    for (const { title, lines } of this.#sections) {
      text.push('', title)
      for (const { what, claimed, measured, ok } of lines) text.push(row(verdictOf(ok), what, claimed, measured))
    }
    return text.join('\n')
  }
}

function verdictOf(ok: boolean | undefined): string {
  if (ok === undefined) return '-'
  return ok ? 'ok' : 'FAILED'
}

/** Prints a report, and makes the process exit with 1 if anything in it is false. */
export function conclude(report: Report): void {
  console.log(report.toString())
  console.log(report.failed === 0 ? '\nEverything is as claimed.' : `\nFAILED: ${report.failed} claims are false.`)
  process.exitCode = report.failed === 0 ? 0 : 1
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

function show(value: unknown): string {
  return typeof value === 'number' ? value.toLocaleString('en') : String(value)
}
