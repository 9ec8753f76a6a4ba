import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import { consume, malloc } from 'cmalloc'

const windows = process.platform === 'win32'
const libc = koffi.load(windows ? 'ucrtbase.dll' : null)
koffi.proto('int compare(const int32_t *one, const int32_t *other)')
const qsort = libc.func('void qsort(void *base, size_t count, size_t size, compare *compare)')
const fopen = libc.func('void *fopen(const char *path, const char *mode)')
const setvbuf = libc.func('int setvbuf(void *file, void *buffer, int mode, size_t size)')
const fputs = libc.func('int fputs(const char *text, void *file)')
const fclose = libc.func('int fclose(void *file)')
const strdup = libc.func(`void *${windows ? '_strdup' : 'strdup'}(const char *text)`)
const freeInC = libc.func('void free(void *block)')

// For the time of a call, give a view: koffi holds it until C returns.
const numbers = malloc(5, 4)
const value = (pointer) => koffi.decode(pointer, 'int32_t')
try {
  numbers.view(Int32Array).set([5, 3, -1, 4, 2])
  qsort(numbers.bytes, 5, 4, (one, other) => value(one) - value(other))
  console.log('C has sorted', ...numbers.view(Int32Array))
} finally {
  numbers.free()
}

// C keeps the address after the call: pin the block until C has let go.
const folder = mkdtempSync(join(tmpdir(), 'cmalloc-'))
const path = join(folder, 'file')
const buffer = malloc(4096)
const pin = buffer.pin()
const file = fopen(path, 'w')
setvbuf(file, buffer.address, 0, buffer.byteLength) // from here on the stream's buffer
fputs('kept in the block', file)
console.log(`${buffer.view(Buffer, 0, 17)}, and ${readFileSync(path).length} bytes in the file`)
fclose(file) // C writes what is there, and lets go
pin.unpin()
buffer.free()
console.log(`${readFileSync(path).length} bytes in the file`)
rmSync(folder, { recursive: true })

// C has allocated it, and the handle owns it from here on.
const text = consume({ address: strdup('made by C') }, 9)
console.log(text.view(Buffer).toString())

// The handle gives it to C, whose `free` must free it.
freeInC(text.release())
console.log(`given away: ${text.freed}`)
