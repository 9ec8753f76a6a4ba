import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** The text that the tour works on. */
export const PATH = resolve(__dirname, '../text/memory.txt')

export const text: string = readFileSync(PATH, 'latin1')
