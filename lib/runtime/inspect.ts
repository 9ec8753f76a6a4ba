/** The name of the method by which `util.inspect` asks what to show. In a file that published types may refer to. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom')
