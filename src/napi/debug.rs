//! The debug mode, for JavaScript.

use std::collections::HashSet;
use std::fmt;
use std::ptr::NonNull;

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use super::environment::Environment;
use super::failure::{Failure, Outcome};
use super::ownership;
use super::slot::Slot;
use super::table::Place;
use crate::debug::{self, Count, Live, write_stack};
use crate::os::{self, InvalidAddress};

/// How many blocks a report of leaks names.
const NAMED: usize = 20;

/// Whether the debug mode is on. It was decided as the first environment of the process loaded the addon.
#[napi]
pub fn debug_mode() -> bool {
    debug::is_enabled()
}

/// Keeps the stack of the allocation of a slot's block, for the reports of the debug mode, unless one is kept
/// already. Returns the one that is kept.
#[napi]
pub fn note_allocation(slot: &Slot, stack: String) -> Option<String> {
    let (start, _) = slot.place().parts()?;
    debug::note_allocation(start, stack)
}

/// Reports, as a thread ends, the blocks that its handles still have, and what is corrupted. For the whole process
/// if `wholeProcess`. Returns whether there was corruption that no error has told of.
#[napi]
pub fn report_at_exit(env: Env, whole_process: bool) -> napi::Result<bool> {
    let environment = Environment::of(env.raw()).map_err(|failure| failure.thrown(env.raw()))?;
    debug::check_all("at exit");
    let leaks = if whole_process {
        let ownership = ownership::lock();
        debug::live_blocks(|address| !ownership.has_no_handle(address))
    } else {
        let own: HashSet<usize> = environment.slots.table().addresses().collect();
        debug::live_blocks(|address| own.contains(&address))
    };
    if !leaks.is_empty() {
        debug::report(&Leaks { blocks: &leaks, of: if whole_process { "" } else { " by a thread that ends" } });
    }
    Ok(debug::any_untold())
}

struct Leaks<'a> {
    blocks: &'a [Live],
    of: &'static str,
}

impl fmt::Display for Leaks<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { blocks, of } = self;
        let bytes: usize = blocks.iter().map(|block| block.len).sum();
        let verb = if blocks.len() == 1 { "was" } else { "were" };
        write!(out, "{} {verb} never freed{of}, {} in all", Count(blocks.len(), "block"), Count(bytes, "byte"))?;
        for Live { address, len, stack } in blocks.iter().take(NAMED) {
            write!(out, "\n  block: 0x{address:x} of {}\n", Count(*len, "byte"))?;
            write_stack(out, stack.as_deref())?;
        }
        match blocks.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(out, "\n  and {} more", Count(more, "block")),
        }
    }
}

/// Refuses what would move or give away a block past whose end somebody wrote.
#[inline]
pub(super) fn must_be_intact(place: Place<'_>, found_by: &'static str) -> Outcome<()> {
    if debug::is_enabled()
        && let Some((start, _)) = place.parts()
    {
        debug::check(start, found_by)?;
    }
    Ok(())
}

/// Refuses an address at which there can be no block, as far as the system tells: before anybody looks at
/// the memory there. C's own look, `malloc_usable_size`, would follow what it finds.
pub(super) fn must_be_plausible(start: NonNull<u8>) -> Outcome<()> {
    if !debug::is_enabled() {
        return Ok(());
    }
    let address = start.as_ptr().addr();
    match os::validate_address(address) {
        Ok(()) => Ok(()),
        Err(InvalidAddress::NotWritable) => Err(Failure::bad_value(format!(
            "The address 0x{address:x} is not mapped and writable memory of this process, so that no block of malloc \
             can be there"
        ))),
        Err(InvalidAddress::NoHeader) => Err(Failure::bad_value(format!(
            "The address 0x{address:x} is none of a block of malloc: the memory before it, where malloc keeps a \
             block's size, is not mapped and writable"
        ))),
        Err(InvalidAddress::BadHeader { len }) => Err(Failure::bad_value(format!(
            "The address 0x{address:x} is none of a block of malloc: such a block would have {len} bytes, not all of \
             which are mapped and writable memory of this process"
        ))),
    }
}
