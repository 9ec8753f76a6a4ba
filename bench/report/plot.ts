/** Draws lines of measurements as an SVG. */

import * as echarts from 'echarts'
import { styleOf } from './styles.js'

/** The measurements of one thing: `[x, y]` each. */
export interface Line {
  name: string
  /** Of whom they are, which decides how the line looks; if omitted, the name does. */
  who?: string
  /** For the second line of somebody in one plot. */
  dashed?: boolean
  points: [x: number, y: number][]
}

export interface Axis {
  title: string
  /** A logarithmic axis, for what differs by orders of magnitude: the step from one line of the grid to the next. */
  log?: 4 | 10 | 16
  /** How a value is written at the axis. */
  write?: (value: number) => string
}

export interface Plot {
  title: string
  /** On what this was measured. */
  subtitle: string
  x: Axis
  y: Axis
  lines: Line[]
}

const WIDTH = 1000
const HEIGHT = 480
/** What the names of the lines take, at the right. Each has a row of its own, as echarts guesses how wide a text is. */
const NAMES = 330

/** The SVG of a plot. */
export function draw({ title, subtitle, x, y, lines }: Plot): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT })
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#fff',
      title: { text: title, subtext: subtitle, left: 16, top: 8 },
      legend: {
        orient: 'vertical',
        left: WIDTH - NAMES,
        top: 'middle',
        itemGap: 14,
        itemWidth: 36,
        itemHeight: 5,
        data: namesFromTop(lines),
      },
      grid: { left: 90, right: NAMES + 32, top: 80, bottom: 56 },
      // A line ends where the plot does, whatever number that is.
      xAxis: { max: 'dataMax', ...axis(x) },
      yAxis: { ...axis(y), nameLocation: 'middle', nameGap: 64 },
      series: lines.map(({ name, who = name, dashed, points }) => {
        const { width, dash, ...style } = styleOf(who)
        return {
          name,
          type: 'line',
          data: points,
          symbol: 'circle',
          symbolSize: 5,
          showSymbol: points.length <= 50,
          lineStyle: { width, type: dashed === true ? 'dashed' : dash },
          ...style,
        }
      }),
    })
    return `${chart.renderToSVGString()}\n`
  } finally {
    chart.dispose()
  }
}

/** In the order in which the lines end at the right. */
function namesFromTop(lines: readonly Line[]): string[] {
  const end = ({ points }: Line): number => points.at(-1)?.[1] ?? 0
  return lines.toSorted((one, other) => end(other) - end(one)).map(({ name }) => name)
}

function axis({ title, log, write = (value) => value.toLocaleString('en-US') }: Axis) {
  return {
    ...(log === undefined ? { type: 'value' as const, min: 0 } : { type: 'log' as const, logBase: log }),
    name: title,
    nameLocation: 'middle' as const,
    nameGap: 32,
    axisLabel: { formatter: write },
    // Whole steps: the ends have a line of the grid, and a number that is one.
    ...(log === undefined ? {} : { min: stepBelow(log), max: stepAbove(log) }),
  }
}

const stepBelow = (base: number) => (range: { min: number }) => base ** Math.floor(exponent(range.min, base))
const stepAbove = (base: number) => (range: { max: number }) => base ** Math.ceil(exponent(range.max, base))

/** Rounded, as logarithms of powers are not exact. */
function exponent(value: number, base: number): number {
  return Number((Math.log(value) / Math.log(base)).toFixed(9))
}
