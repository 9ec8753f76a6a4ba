//! The debug mode, for JavaScript.

use std::collections::HashSet;
use std::fmt;

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use super::slot::Slot;
use crate::debug::{self, Count, Live, write_stack};
use crate::napi::environment::Environment;
use crate::napi::node_api::failure::throwing;
use crate::napi::state::owned_addresses;

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
    let (start, _) = slot.slot().parts()?;
    debug::note_allocation(start, stack)
}

/// Reports, as a thread ends, the blocks that its handles still have, and what is corrupted. For the whole process
/// if `wholeProcess`. Returns whether there was corruption that no error has told of.
#[napi]
pub fn report_at_exit(env: Env, whole_process: bool) -> napi::Result<bool> {
    let environment = throwing(env, || Environment::of(env.raw()))?;
    debug::check_all("at exit");
    let leaks = if whole_process {
        let owned = owned_addresses::lock();
        debug::live_blocks(|address| !owned.has_no_handle(address))
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
