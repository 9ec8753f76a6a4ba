//! Blocks that are **let go**: freed while somebody may still be using their bytes.
//!
//! Such a block has left its slot, and keeps its `ArrayBuffer` as it is. It ends when nobody has that any more. Between
//! turns of the event loop the collector finds out; in a stretch without turns a sweep does, so that what is let go
//! does not pile up.

use std::cell::Cell;

use napi::bindgen_prelude::Env;
use napi::sys;
use napi_derive::napi;

use super::environment::Environment;
use super::event_loop::User;
use super::sweep::{BYTES, weight};
use super::table::{Place, State};
use super::view::View;
use crate::block;

/// How much an environment has let go, as far as it is known without looking.
pub(crate) struct LetGo {
    weight: Cell<u64>,
    sweep_at: Cell<Option<u64>>,
}

impl LetGo {
    pub(crate) fn new() -> Self {
        Self { weight: Cell::new(0), sweep_at: Cell::new(None) }
    }

    /// An upper bound of the bytes that are let go.
    pub(super) fn bytes(&self) -> u64 {
        self.weight.get()
    }

    /// Whether there may be so much that a sweep is due. `turns` says that turns of the event loop end blocks, too.
    fn is_due(&self, turns: bool) -> bool {
        let sweep_at = self.sweep_at.get().unwrap_or_else(|| {
            let first = Self::quantum(turns);
            self.sweep_at.set(Some(first));
            first
        });
        self.weight.get() >= sweep_at
    }

    /// Notes what a sweep has found to be in use still.
    fn swept(&self, weight: u64, turns: bool) {
        self.weight.set(weight);
        self.sweep_at.set(Some(weight + Self::quantum(turns).max(weight / 2)));
    }

    /// How much more may be let go before a sweep: less where there is little memory, or nothing but sweeps ends blocks;
    /// but not so little that most of the time would go into sweeps. (What is refused has a sweep of its own.)
    fn quantum(turns: bool) -> u64 {
        const PART: u64 = 8;
        const LEAST: u64 = 32 << 20;
        if !turns {
            return LEAST;
        }
        let budget = crate::budget();
        let limit = budget.limit.map_or(u64::MAX, |limit| limit as u64 / PART);
        let machine = budget.available.map_or(u64::MAX, |available| (available + budget.live as u64) / PART);
        BYTES.min(limit).min(machine).max(LEAST)
    }
}

/// Whether bytes that this thread has a view of may be in use by what is in flight: then `free` lets a block go. False
/// where the runtime cannot be asked: on Bun and Deno.
#[napi]
pub fn may_be_in_use(env: Env) -> napi::Result<bool> {
    let environment = Environment::of(env.raw()).map_err(|failure| failure.thrown(env.raw()))?;
    Ok(environment.event_loop.user(env.raw()).is_some())
}

impl Environment {
    /// Who may be using the bytes of an entry's block; `None` if it is certain that nobody is, or if other JavaScript has
    /// them, which keeps them by itself.
    #[inline]
    pub(super) fn user_of(&self, env: sys::napi_env, place: Place<'_>) -> Option<User> {
        if place.state() != State::Viewed || !self.has_store(place) {
            return None;
        }
        self.event_loop.user(env).filter(|_| self.attached(env, place).is_ok_and(|value| !value.is_null()))
    }

    /// Whether an `ArrayBuffer` may still have the bytes of a viewed entry's block.
    #[inline]
    pub(super) fn has_store(&self, place: Place<'_>) -> bool {
        self.views.borrow().get(&place.index()).is_some_and(View::store_is_held)
    }

    /// Lets the block of a viewed entry go.
    #[cold]
    pub(super) fn let_go(&self, env: sys::napi_env, place: Place<'_>, user: User) {
        let len = place.parts().map_or(0, |(_, len)| len);
        let view = self.views.borrow_mut().remove(&place.index());
        // First, so that at every moment somebody is known to own the address.
        let last = view.and_then(View::let_go);
        self.forget(place);
        // Nobody may be known to own it any more once C has it back.
        drop(last);
        self.note_user(Some(user));
        let turns = self.stores.ends_with_process.get();
        self.let_go.weight.set(self.let_go.weight.get() + weight(len));
        if self.let_go.is_due(turns) {
            // Some may have ended by their finalizers.
            self.let_go.weight.set(self.weight_of_orphans());
            if self.let_go.is_due(turns) {
                self.sweep_views(env);
            }
        }
    }

    /// Notes that a sweep has looked at everything that was let go.
    pub(super) fn note_swept(&self) {
        self.let_go.swept(self.weight_of_orphans(), self.stores.ends_with_process.get());
    }

    /// The weight of what has left its slot, and is not known to have ended.
    fn weight_of_orphans(&self) -> u64 {
        self.stores.controls().iter().filter_map(|control| control.orphaned_len()).map(weight).sum()
    }

    /// Wipes the block of an entry that is secure: not even who may be using it sees it after its `free`.
    pub(super) fn wipe_if_secure(&self, place: Place<'_>) {
        if place.attributes().is_secure()
            && let Some((start, len)) = place.parts()
        {
            // SAFETY: the block is there until its control block ends it. Whoever is reading it meanwhile, in C, may see
            // zeros in the place of the secret: that is what this is for.
            unsafe { block::wipe(start, len) };
        }
    }
}
