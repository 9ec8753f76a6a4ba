/** The platforms that cmalloc is built for: what each one's binary is, and what it may need. */

export interface Target {
  /** As in the name of the platform's package, without the ABI of Windows. */
  name: string
  /** What Rust calls it here, where everything is linked by zig. */
  rust: string
  /** What napi-rs calls it, in `napi.targets` of package.json. */
  napi: string
  /** The binary, in `artifacts/`: the name that the loader looks for. */
  file: string
  format: 'ELF' | 'PE' | 'Mach-O'
  arch: 'x64' | 'arm64'
  /** The newest glibc of which it may ask something. */
  glibc?: string
  rustflags?: string
  /** The libraries that the system brings; it may need these and no others. */
  libraries: readonly RegExp[]
  /** What must be known of it. */
  note: string
}

const GLIBC = [/^lib(c|m|dl|pthread|rt)\.so\.\d$/, /^ld-linux-(x86-64|aarch64)\.so\.\d$/]
const MUSL = [/^libc\.so$/]
const WINDOWS = [/^(kernel32|ntdll|bcryptprimitives)\.dll$/i, /^api-ms-win-(core|crt)-[a-z-]+-l1-\d-\d\.dll$/i]
const MACOS = [/^\/usr\/lib\/lib(System\.B|iconv\.2|charset\.1)\.dylib$/]

// Without it a library for musl would bring a C library, and so an allocator, of its own.
const SHARED_MUSL = '-C target-feature=-crt-static'

export const TARGETS: readonly Target[] = [
  {
    name: 'linux-x64-gnu',
    rust: 'x86_64-unknown-linux-gnu',
    napi: 'x86_64-unknown-linux-gnu',
    file: 'cmalloc.linux-x64-gnu.node',
    format: 'ELF',
    arch: 'x64',
    glibc: '2.17',
    libraries: GLIBC,
    note: 'what ships: a build without zig asks for the glibc of the machine',
  },
  {
    name: 'linux-arm64-gnu',
    rust: 'aarch64-unknown-linux-gnu',
    napi: 'aarch64-unknown-linux-gnu',
    file: 'cmalloc.linux-arm64-gnu.node',
    format: 'ELF',
    arch: 'arm64',
    glibc: '2.17',
    libraries: GLIBC,
    note: 'what ships',
  },
  {
    name: 'linux-x64-musl',
    rust: 'x86_64-unknown-linux-musl',
    napi: 'x86_64-unknown-linux-musl',
    file: 'cmalloc.linux-x64-musl.node',
    format: 'ELF',
    arch: 'x64',
    rustflags: SHARED_MUSL,
    libraries: MUSL,
    note: 'what ships',
  },
  {
    name: 'linux-arm64-musl',
    rust: 'aarch64-unknown-linux-musl',
    napi: 'aarch64-unknown-linux-musl',
    file: 'cmalloc.linux-arm64-musl.node',
    format: 'ELF',
    arch: 'arm64',
    rustflags: SHARED_MUSL,
    libraries: MUSL,
    note: 'what ships',
  },
  {
    name: 'win32-x64',
    rust: 'x86_64-pc-windows-gnullvm',
    napi: 'x86_64-pc-windows-msvc',
    file: 'cmalloc.win32-x64-msvc.node',
    format: 'PE',
    arch: 'x64',
    libraries: WINDOWS,
    note: 'linked by LLVM to the UCRT, whose malloc is that of MSVC; the release on Windows is built by MSVC',
  },
  {
    name: 'win32-arm64',
    rust: 'aarch64-pc-windows-gnullvm',
    napi: 'aarch64-pc-windows-msvc',
    file: 'cmalloc.win32-arm64-msvc.node',
    format: 'PE',
    arch: 'arm64',
    libraries: WINDOWS,
    note: 'as win32-x64',
  },
  {
    name: 'darwin-x64',
    rust: 'x86_64-apple-darwin',
    napi: 'x86_64-apple-darwin',
    file: 'cmalloc.darwin-x64.node',
    format: 'Mach-O',
    arch: 'x64',
    libraries: MACOS,
    note: 'linked without an SDK; the release on macOS is linked with one',
  },
  {
    name: 'darwin-arm64',
    rust: 'aarch64-apple-darwin',
    napi: 'aarch64-apple-darwin',
    file: 'cmalloc.darwin-arm64.node',
    format: 'Mach-O',
    arch: 'arm64',
    libraries: MACOS,
    note: 'as darwin-x64',
  },
]

/** What is in `napi.targets` and not built here, with the reason. */
export const NOT_BUILT: readonly { name: string; napi: string; reason: string }[] = [
  {
    name: 'freebsd-x64',
    napi: 'x86_64-unknown-freebsd',
    reason: 'there is no FreeBSD to link against: it is type-checked, by npm run check:platforms',
  },
]
