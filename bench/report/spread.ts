/** The middle of many values, and how far they lie apart. */
export interface Spread {
  median: number
  lowerQuartile: number
  upperQuartile: number
  min: number
  max: number
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => {
    const position = share * (sorted.length - 1)
    const [below, above] = [sorted[Math.floor(position)]!, sorted[Math.ceil(position)]!]
    return below + (above - below) * (position % 1)
  }
  return { median: at(0.5), lowerQuartile: at(0.25), upperQuartile: at(0.75), min: at(0), max: at(1) }
}

export const medianOf = (values: readonly number[]): number => spreadOf(values).median
