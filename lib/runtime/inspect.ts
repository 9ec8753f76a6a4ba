/** The name of the method by which `util.inspect` asks what to show. Its own file, as published types refer to it. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom')
