//! Whether anything in a thread may still be using bytes that it was given: what libuv's event loop tells.
//!
//! Node gives bytes on by a raw pointer in two ways. A **request** has the pointer until it is done: file, compression,
//! random bytes, a write that did not go out at once. The loop counts its requests. A **network handle** (a socket, a
//! pipe to another process) can have queues of its own, in Node's C++ (HTTP/2) or in JavaScript (a response that waits
//! for an earlier one), and a buffer that it reads into. The loop lists its handles.
//!
//! Both are read where libuv's headers say that they are, which has not changed since libuv 1.0. That is tested before
//! it is believed, with a loop of our own: see [`Layout`]. If libuv is not as expected, bytes may
//! always be in use. Bun and Deno have no such loop: there nothing is known to be in use.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::mem::{offset_of, transmute};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use napi::sys;

use crate::os::{self, FileDescriptor};

/// Why bytes may be in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// A network handle is open, or Node cannot be asked.
    Handle,
    /// A request is in flight.
    Request,
}

impl User {
    /// How JavaScript is told: 0 for nobody, 1 for a handle, 2 for a request.
    pub(crate) fn number(user: Option<Self>) -> u32 {
        match user {
            None => 0,
            Some(Self::Handle) => 1,
            Some(Self::Request) => 2,
        }
    }
}

/// How many handles are looked at, the youngest first. Node has some ten of its own; each worker, message port and watched
/// file adds one. If there are more, and none of these is a network handle, bytes may be in use.
const MOST_HANDLES: usize = 256;

/// The event loop of an environment.
pub(crate) struct EventLoop {
    /// Whether the runtime has a loop of libuv's at all.
    is_there: bool,
    /// Where it is; null until it is asked for.
    uv: Cell<*const UvLoop>,
}

/// The public part of `uv_loop_t`.
#[repr(C)]
struct UvLoop {
    data: *mut c_void,
    active_handles: u32,
    handles: Node,
    active_requests: u32,
}

/// A link of a ring: of the loop, or of one of its handles.
#[repr(C)]
struct Node {
    next: *const Node,
    previous: *const Node,
}

type UvHandle = c_void;

/// `uv_handle_type`: those that are told apart.
const NAMED_PIPE: c_int = 7;
const POLL: c_int = 8;
const TCP: c_int = 12;
const UDP: c_int = 15;

impl EventLoop {
    /// `is_there` says whether the runtime is one that has libuv's loop (Node); Bun and Deno have not, and what they do
    /// with bytes cannot be asked.
    pub(crate) fn new(is_there: bool) -> Self {
        Self { is_there, uv: Cell::new(ptr::null()) }
    }

    /// Who may be using bytes that this environment's thread was given; `None` if it is certain that nobody is, or if
    /// the runtime has no such loop.
    #[inline]
    pub(crate) fn user(&self, env: sys::napi_env) -> Option<User> {
        if !self.is_there {
            return None;
        }
        let Some(layout) = Layout::get() else { return Some(User::Handle) };
        let Some(uv) = self.uv(env) else { return Some(User::Handle) };
        // SAFETY: the loop lives as long as its environment, in whose thread this is called, so that nobody else
        // changes it meanwhile. `Layout::get` found it to be as `UvLoop` says.
        unsafe {
            if (*uv.as_ptr()).active_requests > 0 {
                return Some(User::Request);
            }
            layout.has_network_handle(uv.as_ptr()).then_some(User::Handle)
        }
    }

    fn uv(&self, env: sys::napi_env) -> Option<NonNull<UvLoop>> {
        if self.uv.get().is_null() {
            let mut uv: *mut sys::uv_loop_s = ptr::null_mut();
            // SAFETY: `uv` is a place to write to.
            if unsafe { sys::napi_get_uv_event_loop(env, &raw mut uv) } != sys::Status::napi_ok {
                return None;
            }
            self.uv.set(uv.cast());
        }
        NonNull::new(self.uv.get().cast_mut())
    }
}

/// Declares functions that the runtime exports, and looks them up by name.
macro_rules! exported_functions {
    ($($field:ident: $name:literal is $type:ty,)*) => {
        struct Uv {
            $($field: $type,)*
        }

        impl Uv {
            fn look_up() -> Option<Self> {
                // SAFETY: a function of this name has this type in every libuv 1.x.
                Some(Self { $($field: unsafe { transmute::<NonNull<c_void>, $type>(os::symbol($name)?) },)* })
            }
        }
    };
}

exported_functions! {
    loop_size: c"uv_loop_size" is unsafe extern "C" fn() -> usize,
    loop_init: c"uv_loop_init" is unsafe extern "C" fn(*mut UvLoop) -> c_int,
    loop_close: c"uv_loop_close" is unsafe extern "C" fn(*mut UvLoop) -> c_int,
    run: c"uv_run" is unsafe extern "C" fn(*mut UvLoop, c_int) -> c_int,
    handle_size: c"uv_handle_size" is unsafe extern "C" fn(c_int) -> usize,
    handle_get_type: c"uv_handle_get_type" is unsafe extern "C" fn(*const UvHandle) -> c_int,
    is_active: c"uv_is_active" is unsafe extern "C" fn(*const UvHandle) -> c_int,
    fileno: c"uv_fileno" is unsafe extern "C" fn(*const UvHandle, *mut FileDescriptor) -> c_int,
    pipe_init: c"uv_pipe_init" is unsafe extern "C" fn(*mut UvLoop, *mut UvHandle, c_int) -> c_int,
    close: c"uv_close" is unsafe extern "C" fn(*mut UvHandle, Option<unsafe extern "C" fn(*mut UvHandle)>),
    pipe_connect: c"uv_pipe_connect" is unsafe extern "C" fn(*mut c_void, *mut UvHandle, *const c_char, Connected),
}

type Connected = unsafe extern "C" fn(*mut c_void, c_int);

/// Where libuv keeps what is read of it, as was found out with a loop of our own.
struct Layout {
    uv: Uv,
    /// Where a handle has its link to the others of its loop.
    node: usize,
    /// Where a pipe says that it is a channel between processes; `None` if that was not found.
    ipc: Option<usize>,
}

/// Zeroed memory for one of libuv's structures.
struct Zeroed(Vec<u64>);

impl Zeroed {
    fn new(bytes: usize) -> Self {
        Self(vec![0; bytes.div_ceil(size_of::<u64>())])
    }

    fn start<T>(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }

    /// The words of 32 bits.
    fn words(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|word| {
            let bytes = word.to_ne_bytes();
            [&bytes[..4], &bytes[4..]].map(|half| half.try_into().map_or(0, u32::from_ne_bytes))
        })
    }
}

impl Layout {
    /// The layout, found out when it is first asked for. `None` if libuv is not as its headers say, or as long as that
    /// cannot be found out.
    #[inline]
    fn get() -> Option<&'static Self> {
        static LAYOUT: OnceLock<Option<Layout>> = OnceLock::new();
        match LAYOUT.get() {
            Some(layout) => layout.as_ref(),
            None => Self::find_out_for(&LAYOUT),
        }
    }

    #[cold]
    fn find_out_for(layout: &'static OnceLock<Option<Self>>) -> Option<&'static Self> {
        let found = match Uv::look_up() {
            Some(uv) => Self::find_out(uv)?,
            None => None,
        };
        layout.get_or_init(|| found).as_ref()
    }

    /// Makes a loop, which nobody else knows, gives it pipes and a request, and looks where they are seen. `None` if there
    /// is no loop to be had now.
    fn find_out(uv: Uv) -> Option<Option<Self>> {
        // SAFETY: `uv_loop_size` has no precondition.
        let size = unsafe { (uv.loop_size)() };
        if size < size_of::<UvLoop>() {
            return Some(None);
        }
        let mut memory = Zeroed::new(size);
        let start = memory.start::<UvLoop>();
        // SAFETY: the memory is as long as a loop, and outlives it: it is closed below, or leaked.
        if unsafe { (uv.loop_init)(start) } != 0 {
            return None;
        }
        // SAFETY: the loop was just made, and has nothing to do yet.
        let found = unsafe { Self::look(&uv, start) };
        // SAFETY: likewise; `look` has closed what it gave to the loop, and this runs until it has ended.
        let closed = unsafe { (uv.run)(start, 0) == 0 && (uv.loop_close)(start) == 0 };
        if !closed {
            // libuv may still know of it.
            std::mem::forget(memory);
            return Some(None);
        }
        Some(found.map(|(node, ipc)| Self { uv, node, ipc }))
    }

    /// Where a handle's link is, and where a pipe says that it is a channel; if requests are counted where they should be.
    ///
    /// # Safety
    ///
    /// `start` must be a loop that has nothing to do, and is nobody else's.
    unsafe fn look(uv: &Uv, start: *mut UvLoop) -> Option<(usize, Option<usize>)> {
        unsafe extern "C" fn nothing(_: *mut c_void, _: c_int) {}
        /// More than any request of libuv's takes.
        const REQUEST: usize = 1024;

        // SAFETY: the caller vouches for the loop. Each pipe is closed, and the request done, before its memory is let go
        // of, as `uv_run` returns only then.
        unsafe {
            let size = (uv.handle_size)(NAMED_PIPE);
            let count = || (&raw const (*start).active_requests).read_volatile();
            let mut request = Zeroed::new(REQUEST);
            // Both in the same place, as a pipe has pointers into itself.
            let mut memory = Zeroed::new(size);
            let mut looks = [0, 1].map(|ipc| {
                memory.0.fill(0);
                let pipe = memory.start::<UvHandle>();
                if (uv.pipe_init)(start, pipe, ipc) != 0 {
                    return None;
                }
                let image: Vec<u32> = memory.words().collect();
                let node = (*start).handles.previous.addr().wrapping_sub(pipe.addr());
                let is_known = (uv.handle_get_type)(pipe) == NAMED_PIPE && node < size;
                let before = count();
                // No pipe has this name. The request fails when the loop runs.
                (uv.pipe_connect)(request.start(), pipe, c"/dev/null/cmalloc".as_ptr(), nothing);
                let during = count();
                (uv.run)(start, 0);
                let after = count();
                (uv.close)(pipe, None);
                (uv.run)(start, 0);
                (is_known && (before, during, after) == (0, 1, 0)).then_some((node, image))
            });
            let (Some((node, no_channel)), Some((_, channel))) = (looks[0].take(), looks[1].take()) else {
                return None;
            };
            Some((node, only_difference(&no_channel, &channel)))
        }
    }

    /// Whether a handle of a loop may have bytes in a queue of its own.
    ///
    /// # Safety
    ///
    /// `start` must be a loop of the calling thread.
    #[inline]
    unsafe fn has_network_handle(&self, start: *const UvLoop) -> bool {
        // SAFETY: the ring is of the caller's thread, so that nobody changes it meanwhile; each link but the loop's own
        // is one of a handle, `self.node` behind its start, that libuv has not been told to forget.
        unsafe {
            let ring = &raw const (*start).handles;
            let mut node = (*ring).previous;
            for _ in 0..MOST_HANDLES {
                if node == ring {
                    return false;
                }
                let handle = node.byte_sub(self.node).cast::<UvHandle>();
                if self.is_network(handle) {
                    return true;
                }
                node = (*node).previous;
            }
            true
        }
    }

    /// # Safety
    ///
    /// `handle` must be a handle of a loop of the calling thread.
    #[inline]
    unsafe fn is_network(&self, handle: *const UvHandle) -> bool {
        // SAFETY: passed on from the caller.
        unsafe {
            match (self.uv.handle_get_type)(handle) {
                // A poll handle is how addons have sockets of their own.
                TCP | UDP | POLL => true,
                NAMED_PIPE => !self.is_channel(handle) && !self.is_standard(handle),
                _ => false,
            }
        }
    }

    /// Whether a pipe is the channel between a process and one that it forked: what goes through it was copied.
    ///
    /// # Safety
    ///
    /// `pipe` must be a pipe of a loop of the calling thread.
    unsafe fn is_channel(&self, pipe: *const UvHandle) -> bool {
        // SAFETY: a pipe is longer than this, and `find_out` found the word there.
        self.ipc.is_some_and(|offset| unsafe { pipe.byte_add(offset).cast::<u32>().read() } != 0)
    }

    /// Whether a pipe is the process's standard input or output, and nothing reads it: Node writes to it at once. A
    /// pipe that is being read does not count: a program could run HTTP/2 over it.
    ///
    /// # Safety
    ///
    /// As for [`is_channel`](Self::is_channel).
    unsafe fn is_standard(&self, pipe: *const UvHandle) -> bool {
        let mut descriptor = FileDescriptor::default();
        // SAFETY: passed on from the caller; `descriptor` is a place to write to.
        unsafe {
            (self.uv.is_active)(pipe) == 0
                && (self.uv.fileno)(pipe, &raw mut descriptor) == 0
                && os::is_standard_stream(descriptor)
        }
    }
}

/// Where the one word is, in bytes, that is 0 in the first and 1 in the second; `None` if they differ otherwise.
fn only_difference(first: &[u32], second: &[u32]) -> Option<usize> {
    let mut different = first.iter().zip(second).enumerate().filter(|(_, (first, second))| first != second);
    let found = different.next().filter(|(_, words)| *words == (&0, &1)).map(|(index, _)| index * size_of::<u32>());
    found.filter(|_| different.next().is_none())
}

const _: () = assert!(offset_of!(UvLoop, handles) == 16 && offset_of!(UvLoop, active_requests) == 32);

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_libuv_may_always_be_using_bytes() {
        assert_eq!(EventLoop::new(true).user(ptr::null_mut()), Some(User::Handle));
        assert_eq!(EventLoop::new(false).user(ptr::null_mut()), None);
    }

    #[test]
    fn only_one_word_may_tell_a_channel() {
        assert_eq!(only_difference(&[7, 0, 9], &[7, 1, 9]), Some(4));
        for (first, second) in [([7, 0], [8, 1]), ([7, 0], [7, 2]), ([7, 1], [7, 0]), ([7, 0], [7, 0])] {
            assert_eq!(only_difference(&first, &second), None);
        }
    }
}
