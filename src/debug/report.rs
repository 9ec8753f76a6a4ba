//! What the debug mode reports, and how.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::redzone::Damage;

/// Somebody wrote past the end of a block.
///
/// Its text has several lines: the block, what was found, and the stack of the block's allocation.
#[derive(Debug)]
pub struct Corruption(pub(super) Box<Details>);

#[derive(Debug)]
pub(super) struct Details {
    pub(super) address: usize,
    pub(super) len: usize,
    pub(super) redzone: usize,
    pub(super) damage: Damage,
    pub(super) found_by: &'static str,
    pub(super) stack: Option<Box<str>>,
}

impl Corruption {
    /// The block's address.
    #[must_use]
    pub fn address(&self) -> usize {
        self.0.address
    }

    /// The block's length.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// The offset of the first bad byte from the block's beginning, at least the block's length.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.len + self.0.damage.offset
    }

    /// What the first bad byte should have been.
    #[must_use]
    pub fn expected(&self) -> u8 {
        self.0.damage.expected
    }

    /// What the first bad byte is.
    #[must_use]
    pub fn found(&self) -> u8 {
        self.0.damage.found
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { address, len, redzone, damage, found_by, stack } = &*self.0;
        writeln!(out, "Memory was written to past the end of a block. Found {found_by}")?;
        writeln!(out, "  block: 0x{address:x} of {}", Count(*len, "byte"))?;
        writeln!(
            out,
            "  first bad byte: at offset {}, expected 0x{:02x}, found 0x{:02x}",
            self.offset(),
            damage.expected,
            damage.found
        )?;
        writeln!(out, "  bad bytes: {} of the {redzone} after the block", damage.bytes)?;
        write_stack(out, stack.as_deref())
    }
}

impl std::error::Error for Corruption {}

/// Writes the stack of an allocation: indented lines, without a newline at the end.
pub(crate) fn write_stack(out: &mut impl fmt::Write, stack: Option<&str>) -> fmt::Result {
    match stack {
        Some(stack) => write!(out, "  allocated:\n{stack}"),
        None => write!(out, "  allocated: not through a NativeBuffer, so that no stack is known"),
    }
}

/// A number and what it counts, such as "2 bytes".
pub(crate) struct Count(pub(crate) usize, pub(crate) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// Writes to the standard error itself. The runtime's stream cannot be used by other threads, in finalizers, or shortly
/// before the process aborts.
pub(crate) fn report(text: &impl fmt::Display) {
    /// How often to try again while a pipe is full, waiting a millisecond each time.
    const TRIES: u32 = 2000;

    let text = format!("cmalloc: {text}\n");
    let mut rest = text.as_bytes();
    let mut tries = 0;
    while !rest.is_empty() && tries < TRIES {
        match io::stderr().write(rest) {
            Ok(0) => return,
            Ok(written) => rest = &rest[written..],
            // The runtime makes pipes non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                tries += 1;
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// How often corruption was reported on the standard error, but to no caller.
static UNTOLD: AtomicUsize = AtomicUsize::new(0);

/// Counts corruption that no caller is told about.
pub(crate) fn count_untold(checked: Result<(), Corruption>) {
    if checked.is_err() {
        UNTOLD.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether there was corruption that no caller was told about.
#[cfg(feature = "napi")]
pub(crate) fn any_untold() -> bool {
    UNTOLD.load(Ordering::Relaxed) > 0
}
