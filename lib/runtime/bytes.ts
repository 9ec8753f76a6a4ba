/** Its own file, as published types refer to it. */

/** The class, which a program may replace later. */
export const Bytes = Uint8Array

/**
 * Bytes of an `ArrayBuffer`, and not of a `SharedArrayBuffer`: `Uint8Array<ArrayBuffer>`, as TypeScript can tell them
 * apart from 5.7 on. Before, it is `Uint8Array`.
 */
export type Bytes = ReturnType<typeof Uint8Array.of>
