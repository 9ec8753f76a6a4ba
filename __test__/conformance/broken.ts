/** Allocators that break one rule each. */

import * as cmalloc from 'cmalloc'
import type { AllocatedBuffer, Allocator, Init, NativeBuffer } from 'cmalloc'

/** cmalloc, as far as nothing else is said. */
const sound: Required<Allocator> = {
  malloc: cmalloc.malloc,
  free: (buffer) => cmalloc.free(buffer as NativeBuffer),
  getBufferAddress: (buffer) => cmalloc.getBufferAddress(buffer as NativeBuffer),
  consume: cmalloc.consume,
}

const soundBut = (changes: Partial<Allocator>): (() => Allocator) => {
  return () => ({ ...sound, ...changes })
}

const kept: unknown[] = []

interface Broken {
  /** The rule that is broken, as the kit says it. */
  rule: string
  /** What the message says besides. */
  message: RegExp
  make: () => Allocator
}

export const BROKEN: Record<string, Broken> = {
  'gives a byte less than it was asked for': {
    rule: 'malloc(count, size) gives count * size bytes',
    message: /byteLength of malloc\(10, 1\) is 9, not 10/,
    make: soundBut({ malloc: (count, size = 1, init) => cmalloc.malloc(Math.max(count * size - 1, 1), 1, init) }),
  },
  'takes a size of nothing for one': {
    rule: 'malloc refuses a size that makes no sense',
    message: /malloc\(0\) throws nothing, but returns an object/,
    make: soundBut({ malloc: (count, size, init) => cmalloc.malloc(count === 0 ? 1 : count, size, init) }),
  },
  'returns null where there is no memory': {
    rule: 'malloc throws a RangeError for more than there is',
    message: /malloc\(2 \*\* 52\) throws nothing, but returns null/,
    make: soundBut({
      malloc(count, size = 1, init) {
        return count === 2 ** 52 ? (null as never) : cmalloc.malloc(count, size, init)
      },
    }),
  },
  'writes a text once': {
    rule: "malloc fills with init: 'zero', a byte, a text or bytes, repeated",
    message: /byte 1 of malloc\(1000, 1, 'A'\) is \d+, not 65/,
    make: soundBut({
      malloc(count, size, init) {
        if (typeof init !== 'string' || init === 'zero') return cmalloc.malloc(count, size, init)
        const buffer = cmalloc.malloc(count, size, 7)
        buffer.bytes.set(Buffer.from(init === '' ? cmalloc.malloc(1, 1, init).bytes : init))
        return buffer
      },
    }),
  },
  'does not clear what it was told to': {
    rule: "malloc fills with init: 'zero', a byte, a text or bytes, repeated",
    message: /byte 0 of malloc\(1000, 1, 'zero'\) is 238, not 0/,
    make: soundBut({ malloc: (count, size, init) => cmalloc.malloc(count, size, init === 'zero' ? 0xee : init) }),
  },
  'wraps a byte that is too large': {
    rule: 'malloc refuses an init that makes no sense',
    message: /malloc\(1, 1, 256\) throws nothing/,
    make: soundBut({
      malloc: (count, size, init) => cmalloc.malloc(count, size, init === 256 ? 0 : init),
    }),
  },
  'moves its memory before it reads what is to fill it': {
    rule: 'malloc copies an init that lies in its own memory',
    message: /byte 0 of what was filled with another buffer is 0, not 104/,
    make: moving,
  },
  'tells the address of something else': {
    rule: 'getBufferAddress tells where the bytes are',
    message: /getBufferAddress\(malloc\(1\)\) is 0x[0-9a-f]+, not 0x[0-9a-f]+/,
    make: soundBut({ getBufferAddress: (buffer) => sound.getBufferAddress(buffer) + 16n }),
  },
  'aligns to nothing': {
    rule: 'an address is a multiple of 8, so that every typed array can be made',
    message: /% 8 is 4, not 0/,
    make: () => shifted(4),
  },
  'copies its bytes each time': {
    rule: 'bytes is the same memory whenever it is asked for',
    message: /a byte that was written through another view is 0, not 1/,
    make: soundBut({
      malloc(count, size, init) {
        const buffer = cmalloc.malloc(count, size, init)
        return new Proxy(buffer, {
          get: (target, key) => (key === 'bytes' ? target.bytes.slice() : Reflect.get(target, key, target)),
        })
      },
    }),
  },
  'gives the same memory twice': {
    rule: 'buffers that are alive have no byte in common',
    message: /a buffer of \d+ bytes, as others were allocated, is|byte \d+ of a buffer of \d+ bytes/,
    make: overlapping,
  },
  'frees twice without a word': {
    rule: 'whoever uses a buffer that is freed gets an error, or no bytes',
    message: /a second free throws nothing/,
    make: soundBut({ free: (buffer) => (buffer as NativeBuffer)[Symbol.dispose]() }),
  },
  'frees whoever has the memory now': {
    rule: 'a second free does no harm to who has the memory now',
    message: /the second free throws nothing|a buffer that came after the first free/,
    make: reusing,
  },
  'frees anything': {
    rule: 'free and getBufferAddress refuse what is no buffer',
    message: /free\(undefined\) throws nothing/,
    make: soundBut({
      free(buffer) {
        if (buffer instanceof cmalloc.NativeBuffer) cmalloc.free(buffer)
      },
    }),
  },
  'keeps what was freed': {
    rule: 'what is freed is used again, or given back',
    message: /\d+ MiB more are resident/,
    make: soundBut({
      free(buffer) {
        // As long as the handle is moved to another one, that keeps the memory.
        if (buffer.byteLength === 2 ** 20) kept.push(cmalloc.consume(buffer as NativeBuffer, 2 ** 20))
        else sound.free(buffer)
      },
    }),
  },
  'leaves the address to its old owner': {
    rule: 'consume keeps the contents, and sets the address of its source to zero',
    message: /the address of the source is 0x[0-9a-f]+, not 0x0/,
    make: soundBut({
      consume: ({ address }, byteLength) => cmalloc.consume({ address }, byteLength),
    }),
  },
  'takes the address of what it then refuses': {
    rule: 'a consume that is refused leaves its source as it was',
    message: /the address of the source is 0x0, not 0x[0-9a-f]+/,
    make: soundBut({
      consume(source, byteLength) {
        const copy = { address: source?.address }
        if (typeof copy.address === 'bigint') source.address = 0n
        return cmalloc.consume(copy, byteLength)
      },
    }),
  },
}

/** What was kept, given back. */
export function giveBack(): void {
  for (const buffer of kept.splice(0)) (buffer as NativeBuffer).free()
}

/** Reads an init that is a view once it has moved all that is alive, so that the view is of where that was. */
function moving(): Allocator {
  const alive = new Set<NativeBuffer>()
  return {
    ...sound,
    malloc(count: number, size: number = 1, init?: Init) {
      const buffer = cmalloc.malloc(count, size, init === undefined ? undefined : 'zero')
      for (const other of alive) other.resize(other.byteLength + 1).resize(other.byteLength - 1)
      alive.add(buffer)
      if (typeof init === 'object' && init.byteLength === 0) return buffer
      return init === undefined ? buffer : buffer.fill(init)
    },
  }
}

interface Shifted extends AllocatedBuffer {
  readonly whole: NativeBuffer
}

/** Puts each buffer a few bytes behind where C put it. */
function shifted(by: number): Allocator {
  const whole = (buffer: AllocatedBuffer): NativeBuffer => (buffer as Shifted).whole
  return {
    malloc(count: number, size: number = 1, init?: Init) {
      const buffer = cmalloc.malloc(count * size + by, 1, init)
      return {
        whole: buffer,
        byteLength: count * size,
        get bytes() {
          return buffer.bytes.subarray(by)
        },
      }
    },
    free: (buffer) => sound.free(whole(buffer)),
    getBufferAddress: (buffer) => sound.getBufferAddress(whole(buffer)) + BigInt(by),
  }
}

/** Goes on by less than it gave. */
function overlapping(): Allocator {
  const memory = cmalloc.malloc(2 ** 24)
  let top = 0
  return {
    ...sound,
    malloc(count: number, size: number = 1, init: Init = 'zero') {
      const bytes = memory.bytes.subarray(top, top + count * size)
      memory.fill(init, top, top + count * size)
      top += Math.max(count * size - 1, 1)
      return { byteLength: count * size, bytes }
    },
    getBufferAddress: ({ bytes }) => memory.address + BigInt(bytes.byteOffset),
    free: () => {},
  }
}

/** Has a handle for each length only, which is freed by whoever has ever had it. */
function reusing(): Allocator {
  const byLength = new Map<number, AllocatedBuffer & { current: NativeBuffer }>()
  return {
    malloc(count: number, size: number = 1, init?: Init) {
      const current = cmalloc.malloc(count, size, init)
      const known = byLength.get(count * size)
      if (known?.current.freed) return Object.assign(known, { current })
      const made = {
        current,
        get byteLength() {
          return made.current.byteLength
        },
        get bytes() {
          return made.current.bytes
        },
      }
      byLength.set(count * size, made)
      return made
    },
    free: (buffer) => sound.free((buffer as unknown as { current: NativeBuffer }).current),
    getBufferAddress: (buffer) => sound.getBufferAddress((buffer as unknown as { current: NativeBuffer }).current),
  }
}
