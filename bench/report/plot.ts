/** Draws lines of measurements as an SVG. */

import * as echarts from 'echarts'

/** The measurements of one thing: `[x, y]` each. */
export interface Line {
  name: string
  points: [x: number, y: number][]
}

export interface Axis {
  title: string
  /** A logarithmic axis, for what differs by orders of magnitude. */
  log?: boolean
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

const WIDTH = 860
const HEIGHT = 520

/** The SVG of a plot. */
export function draw({ title, subtitle, x, y, lines }: Plot): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT })
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#fff',
      title: { text: title, subtext: subtitle, left: 16, top: 8 },
      legend: { top: 60, left: 16, right: 16, icon: 'roundRect', itemHeight: 4, itemGap: 16 },
      grid: { left: 90, right: 32, top: 130, bottom: 56 },
      xAxis: axis(x),
      yAxis: { ...axis(y), nameLocation: 'middle', nameGap: 64 },
      series: lines.map(({ name, points }) => ({
        name,
        type: 'line',
        data: points,
        symbolSize: 5,
        showSymbol: points.length <= 50,
      })),
    })
    return `${chart.renderToSVGString()}\n`
  } finally {
    chart.dispose()
  }
}

function axis({ title, log = false, write = String }: Axis) {
  return {
    type: log ? ('log' as const) : ('value' as const),
    name: title,
    nameLocation: 'middle' as const,
    nameGap: 32,
    axisLabel: { formatter: write },
    min: log ? ('dataMin' as const) : 0,
    max: 'dataMax' as const,
  }
}
