export const BYTE_LENGTH: number
export function contentsOf(number: number): Buffer
export function isPacked(number: number): boolean
