/** How the lines of the plots look: the same one is of the same colour everywhere. */

export interface Style {
  color: string
  width: number
  dash: 'solid' | 'dashed' | 'dotted'
  /** What lies above the others. */
  z: number
}

const plain = (color: string, dash: Style['dash'] = 'solid'): Style => ({ color, width: 2, dash, z: 2 })

/** Colours that those can tell apart as well who see few: of Okabe and Ito. What is C's own is black. */
const STYLES: Readonly<Record<string, Style>> = {
  cmalloc: { color: '#d55e00', width: 3.5, dash: 'solid', z: 3 },
  'koffi.alloc': plain('#0072b2'),
  'node:ffi': plain('#009e73'),
  'bun:ffi': plain('#cc79a7'),
  'Deno.dlopen': plain('#56b4e9'),
  sodium_malloc: plain('#009e73'),
  'Buffer.alloc': plain('#999999'),
  'Buffer.allocUnsafeSlow, touched': plain('#e69f00'),
  'new ArrayBuffer': plain('#999999', 'dotted'),
  'C: one write a page, or memset': plain('#000000', 'dotted'),
  'C: populated': plain('#000000', 'dashed'),
  'C: the best': plain('#000000'),
  'C: malloc, one write a page, free': plain('#000000'),
  'resident memory': plain('#0072b2'),
  'external memory of the main thread': plain('#009e73'),
}

export function styleOf(who: string): Style {
  const style = STYLES[who]
  if (style === undefined) throw new Error(`report/styles.ts does not say how the line of ${who} looks`)
  return style
}
