/** Every way to move the bytes of an ArrayBuffer away. What moves, copies or refuses is another in each Node. */

import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'

export type Transfer = ((this: ArrayBuffer, byteLength?: number) => ArrayBuffer) | undefined

/** `buffer.transfer()`, which Node 20 does not have. */
export const { transfer } = ArrayBuffer.prototype as ArrayBuffer & { transfer: Transfer }

/** Where the bytes are afterwards. */
export const MOVES = {
  structuredClone: (buffer: ArrayBuffer) => structuredClone(buffer, { transfer: [buffer] }),
  postMessage: (buffer: ArrayBuffer) => {
    const { port1, port2 } = new MessageChannel()
    try {
      port1.postMessage(buffer, [buffer])
      return (receiveMessageOnPort(port2) as { message: ArrayBuffer }).message
    } finally {
      port1.close()
    }
  },
  'postMessage to nobody': (buffer: ArrayBuffer) => {
    const { port1, port2 } = new MessageChannel()
    try {
      port1.postMessage(buffer, [buffer])
    } finally {
      port1.close()
      // With a message that nobody took it stays open: too many open handles, and bytes may always be in use.
      port2.close()
    }
    return undefined
  },
  transfer: (buffer: ArrayBuffer) => transfer?.call(buffer),
  'transfer to more': (buffer: ArrayBuffer) => transfer?.call(buffer, buffer.byteLength + 100),
  'transfer to less': (buffer: ArrayBuffer) => transfer?.call(buffer, Math.ceil(buffer.byteLength / 2)),
  stream: async (buffer: ArrayBuffer) => {
    const { value } = await streamOf(buffer).getReader().read()
    return (value as Uint8Array<ArrayBuffer>).buffer
  },
  'stream to nobody': (buffer: ArrayBuffer) => {
    streamOf(buffer)
    return undefined
  },
  /** Writes a zero to the first byte. */
  'read into': async (buffer: ArrayBuffer) => {
    const pull = (controller: { enqueue(view: Uint8Array): void }): void => controller.enqueue(new Uint8Array(1))
    const reader = new ReadableStream({ type: 'bytes', pull }).getReader({ mode: 'byob' })
    const { value } = await reader.read(new Uint8Array(buffer))
    return value!.buffer as ArrayBuffer
  },
}

export function streamOf(buffer: ArrayBuffer): ReadableStream<Uint8Array> {
  const start = (controller: { enqueue(view: Uint8Array): void; close(): void }): void => {
    controller.enqueue(new Uint8Array(buffer))
    controller.close()
  }
  return new ReadableStream({ type: 'bytes', start }) as ReadableStream<Uint8Array>
}
