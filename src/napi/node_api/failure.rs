//! Errors as JavaScript gets them: a class, a stable code, and a sentence that says what to do.

use std::ffi::{CStr, CString};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::Env;
use napi::{Status, sys};

use crate::OutOfMemory;
use crate::debug::Corruption;

/// The class of a JavaScript error.
#[derive(Clone, Copy, Debug)]
enum Class {
    Error,
    Range,
    Type,
}

/// An error on its way to JavaScript.
#[derive(Debug)]
pub(crate) struct Failure {
    class: Class,
    code: &'static CStr,
    message: String,
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn freed() -> Self {
        Self::error(c"ERR_CMALLOC_FREED", "The block of this slot is gone: it was freed, released or consumed")
    }

    pub(crate) fn stale_key() -> Self {
        Self::error(c"ERR_CMALLOC_FREED", "This number names no slot of this thread: it is stale or forged")
    }

    pub(crate) fn occupied() -> Self {
        Self::error(c"ERR_INVALID_STATE", "This slot has a block already. Free it first")
    }

    pub(crate) fn pool_closed() -> Self {
        Self::error(c"ERR_CMALLOC_FREED", "Cannot allocate: this pool was disposed. Make a new one")
    }

    /// A bug of ours that must not become the runtime's.
    pub(crate) fn panicked() -> Self {
        Self::error(c"ERR_CMALLOC_INTERNAL", "cmalloc failed in a way that it should not. Please report this")
    }

    pub(crate) fn already_owned(address: usize) -> Self {
        Self::error(
            c"ERR_CMALLOC_ALREADY_OWNED",
            format!("The address 0x{address:x} lies in a block that a handle of this process owns. Consume the handle"),
        )
    }

    pub(crate) fn escaped() -> Self {
        Self::error(
            c"ERR_CMALLOC_ESCAPED",
            "The block's ArrayBuffer was transferred or cannot be detached, so that other JavaScript may still reach \
             its bytes. Copy them with slice(), and free this handle",
        )
    }

    pub(crate) fn shared() -> Self {
        Self::error(
            c"ERR_CMALLOC_ESCAPED",
            "The block is shared: whoever has its SharedArrayBuffer may use the bytes in any thread, and nobody can take them \
             back. Copy them with slice(), and free this handle; or post the SharedArrayBuffer itself",
        )
    }

    pub(crate) fn secure() -> Self {
        Self::error(
            c"ERR_CMALLOC_SECURE",
            "Cannot release a secure block: C's free() would not wipe it. Release a copy: slice().release()",
        )
    }

    pub(crate) fn bad_ticket() -> Self {
        Self::error(
            c"ERR_CMALLOC_BAD_TICKET",
            "No block waits for this ticket: it was taken already, or it is none of this process's, or it is one of \
             another copy of cmalloc",
        )
    }

    pub(crate) fn ticket_in_use() -> Self {
        Self::error(
            c"ERR_CMALLOC_BAD_TICKET",
            "Another block waits for this ticket already: hand this one over with a ticket of its own",
        )
    }

    /// The runtime answered this as it was to make an `ArrayBuffer` or a `SharedArrayBuffer`.
    pub(crate) fn no_external_buffers(status: sys::napi_status) -> Self {
        let reason = if status == sys::Status::napi_no_external_buffers_allowed {
            "it allows no external memory"
        } else {
            "it is longer than the longest one (buffer.constants.MAX_LENGTH)"
        };
        Self::error(
            c"ERR_CMALLOC_NO_EXTERNAL_BUFFERS",
            format!("The runtime makes no ArrayBuffer over this block: {reason}. Use its address, fill() and slice()"),
        )
    }

    pub(crate) fn no_shared_buffers() -> Self {
        Self::unsupported(
            "This runtime makes no SharedArrayBuffer over memory of C. Node 22.23, 24.16 and 26.1 do, or later ones, and Bun. \
             Here, move the block to another thread with handOver(), or copy its bytes into a SharedArrayBuffer",
        )
    }

    pub(crate) fn out_of_range(message: impl Into<String>) -> Self {
        Self { class: Class::Range, code: c"ERR_OUT_OF_RANGE", message: message.into() }
    }

    pub(crate) fn wrong_type(message: impl Into<String>) -> Self {
        Self { class: Class::Type, code: c"ERR_INVALID_ARG_TYPE", message: message.into() }
    }

    pub(crate) fn bad_value(message: impl Into<String>) -> Self {
        Self { class: Class::Type, code: c"ERR_INVALID_ARG_VALUE", message: message.into() }
    }

    pub(crate) fn empty_pattern() -> Self {
        Self::bad_value("The pattern is empty")
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::error(c"ERR_FEATURE_UNAVAILABLE_ON_PLATFORM", message)
    }

    /// What Node-API itself refused, which should not happen.
    pub(crate) fn node_api(status: sys::napi_status) -> Self {
        Self::error(c"ERR_CMALLOC_NODE_API", format!("Node-API answered {}", Status::from(status)))
    }

    fn error(code: &'static CStr, message: impl Into<String>) -> Self {
        Self { class: Class::Error, code, message: message.into() }
    }

    /// The same failure, with one sentence more.
    pub(crate) fn with_hint(mut self, hint: &str) -> Self {
        self.message.push_str(". ");
        self.message.push_str(hint);
        self
    }

    /// Throws the error. The caller must return to JavaScript then.
    pub(crate) fn throw(self, env: sys::napi_env) {
        let message = CString::new(self.message).unwrap_or_default();
        let throw = match self.class {
            Class::Error => sys::napi_throw_error,
            Class::Range => sys::napi_throw_range_error,
            Class::Type => sys::napi_throw_type_error,
        };
        // SAFETY: both strings end with a zero and are copied; `env` is the environment of the call.
        unsafe { throw(env, self.code.as_ptr(), message.as_ptr()) };
    }
}

impl From<Corruption> for Failure {
    fn from(corruption: Corruption) -> Self {
        Self::error(c"ERR_CMALLOC_CORRUPTED", corruption.to_string())
    }
}

impl From<OutOfMemory> for Failure {
    fn from(refusal: OutOfMemory) -> Self {
        let mut message = refusal.to_string();
        message[..1].make_ascii_uppercase();
        let code = match refusal {
            OutOfMemory::Lock { reason: io::ErrorKind::Unsupported, .. } => return Self::unsupported(message),
            OutOfMemory::Lock { .. } | OutOfMemory::Mappings { .. } => c"ERR_CMALLOC_LOCK_LIMIT",
            _ => c"ERR_CMALLOC_OUT_OF_MEMORY",
        };
        Self { class: Class::Range, code, message }
    }
}

/// Runs what a function of napi-rs does. What goes wrong is thrown; nothing unwinds into the runtime.
pub(crate) fn throwing<T>(env: Env, operation: impl FnOnce() -> Outcome<T>) -> napi::Result<T> {
    let outcome = catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|_| Err(Failure::panicked()));
    outcome.map_err(|failure| {
        failure.throw(env.raw());
        napi::Error::from_status(Status::PendingException)
    })
}

/// Turns what Node-API answered into an outcome.
pub(crate) fn check(status: sys::napi_status) -> Outcome<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Failure::node_api(status)) }
}
