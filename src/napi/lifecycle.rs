//! The life of a slot's block: every way in, and every way out.
//!
//! Each function leaves the entry in a state that is whole before it calls into the runtime, which
//! may collect garbage and come back here.

use crate::sync::{AtomicU64, Ordering};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use napi::sys;

use super::debug::{must_be_intact, must_be_plausible};
use super::environment::Environment;
use super::event_loop::User;
use super::failure::{Failure, Outcome};
use super::growing::GrowingBlock;
use super::home::Homed;
use super::ownership;
use super::table::{Counters, Place, State, add};
use super::view::View;
use crate::block::Attributes;
use crate::debug::Corruption;
use crate::fill::fill;
use crate::{Block, Consumed, block};

/// What a new block's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// Whatever the memory holds.
    Uninit,
    /// This byte everywhere.
    Byte(u8),
}

impl From<Init> for block::Init {
    #[inline]
    fn from(init: Init) -> Self {
        match init {
            Init::Uninit => Self::Uninit,
            Init::Byte(byte) => Self::Byte(byte),
        }
    }
}

impl Environment {
    /// Allocates a block into an idle slot.
    #[inline]
    pub(crate) fn allocate(
        &self,
        env: sys::napi_env,
        place: Place<'_>,
        len: usize,
        init: Init,
        attributes: Attributes,
    ) -> Outcome<()> {
        Self::must_be_idle(place)?;
        let block = self.with_last_chance(env, || Block::allocate_at_once(len, init.into(), attributes))?;
        self.admit(env, place, block, |counters| &counters.allocations);
        Ok(())
    }

    /// Puts a block that has become resident into an idle slot.
    pub(crate) fn adopt(&self, env: sys::napi_env, place: Place<'_>, growing: &GrowingBlock) -> Outcome<()> {
        Self::must_be_idle(place)?;
        self.admit(env, place, growing.finish()?, |counters| &counters.allocations);
        Ok(())
    }

    /// Frees the block at once, or gives it back to its pool. If somebody may be using its bytes it is let go; if it has
    /// escaped, it is left to its `ArrayBuffer`.
    #[inline]
    pub(crate) fn free(&self, env: sys::napi_env, place: Place<'_>) -> Outcome<()> {
        if place.state() == State::Live {
            return self.free_live(env, place);
        }
        self.free_viewed(env, place, self.user_of(env, place))
    }

    /// [`free`](Self::free) for who knows that nobody is using the bytes.
    pub(crate) fn free_now(&self, env: sys::napi_env, place: Place<'_>) -> Outcome<()> {
        if place.state() == State::Live {
            return self.free_live(env, place);
        }
        self.free_viewed(env, place, None)
    }

    #[inline]
    fn free_live(&self, env: sys::napi_env, place: Place<'_>) -> Outcome<()> {
        let (_, len) = place.parts().ok_or_else(Failure::freed)?;
        self.note_user(None);
        let freed = self.end(place);
        self.report(env, -signed(len));
        Ok(freed?)
    }

    /// Frees a block that has an `ArrayBuffer`, unless that must stay as it is. The bytes under it are not reported, and
    /// need not be for a moment only: a large report makes V8 collect on the spot.
    #[inline(never)]
    fn free_viewed(&self, env: sys::napi_env, place: Place<'_>, user: Option<User>) -> Outcome<()> {
        place.parts().ok_or_else(Failure::freed)?;
        self.note_user(None);
        if user.is_none() && self.recover_unreported(env, place)? {
            return Ok(self.end(place)?);
        }
        let intact = must_be_intact(place, "by free()");
        if user.is_some() {
            self.wipe_if_secure(place);
        }
        self.count(|counters| &counters.explicit_frees);
        self.abandon(env, place, user);
        intact
    }

    /// Ends the block of a live entry as its owner wants it.
    #[inline]
    fn end(&self, place: Place<'_>) -> Result<(), Corruption> {
        let freed = if place.is_homed() { self.send_home(place) } else { place.take().map_or(Ok(()), Block::free) };
        self.count(|counters| &counters.explicit_frees);
        freed
    }

    /// Tells the raw calls whether a block was let go, and why.
    #[inline]
    pub(super) fn note_user(&self, user: Option<User>) {
        self.registers.get().set_user(user);
    }

    /// Frees the block of a slot that was collected, or leaves it to its `ArrayBuffer`. The slot's
    /// entry is vacant then.
    pub(crate) fn collect(&self, env: sys::napi_env, place: Place<'_>) {
        match place.state() {
            State::Live => self.free_collected(env, place),
            State::Viewed => {
                // Whoever holds the ArrayBuffer may still use it.
                self.abandon(env, place, None);
                self.count(|counters| &counters.collected_frees);
            }
            State::Idle | State::Vacant | State::Changing => {}
        }
        self.unwatch(env, place.index());
        place.vacate();
    }

    /// Frees the block of a dead slot.
    pub(crate) fn free_collected(&self, env: sys::napi_env, place: Place<'_>) {
        if let Some(block) = self.take(place) {
            let len = block.len();
            drop(block);
            self.count(|counters| &counters.collected_frees);
            self.report(env, -signed(len));
        }
    }

    /// Frees the block of a dead slot whose backing store has ended: where the runtime calls the finalizer of that from its
    /// collector (Deno), long before the slot's.
    pub(super) fn free_collected_view(&self, place: Place<'_>) {
        let view = self.views.borrow_mut().remove(&place.index());
        let last = view.and_then(View::leave);
        self.forget(place);
        drop(last);
        self.count(|counters| &counters.collected_frees);
    }

    /// The `ArrayBuffer` over the block: the same one as long as it is reachable.
    pub(crate) fn buffer(self: &Rc<Self>, env: sys::napi_env, place: Place<'_>) -> Outcome<sys::napi_value> {
        if place.state() == State::Viewed {
            let attached = self.attached(env, place)?;
            if !attached.is_null() {
                return Ok(attached);
            }
            // Collected or moved away: there can be another one only if the bytes came back.
            if !self.recover(env, place)? {
                return Err(Failure::escaped());
            }
        }
        let block = place.lend().ok_or_else(Failure::freed)?;
        let len = signed(block.len());
        match View::create(env, Homed::new(block, self.home_of(place)), place.index(), &self.stores) {
            Ok((view, value)) => {
                if let Err(failure) = self.watch_store(env, &view) {
                    // Nobody has seen the ArrayBuffer: its end means nothing.
                    place.reclaim(view.into_block(env).ok_or_else(Failure::freed)?);
                    return Err(failure);
                }
                self.views.borrow_mut().insert(place.index(), view);
                self.report(env, -len);
                Ok(value)
            }
            Err((failure, block)) => {
                place.reclaim(block);
                Err(failure)
            }
        }
    }

    /// Whether other JavaScript than the slot's own `ArrayBuffer` may reach the bytes.
    pub(crate) fn escaped(&self, env: sys::napi_env, place: Place<'_>) -> Outcome<bool> {
        match place.state() {
            State::Viewed if self.attached(env, place)?.is_null() => Ok(!self.recover(env, place)?),
            _ => Ok(false),
        }
    }

    /// Resizes the block, which keeps its pool. One that has escaped, or whose bytes somebody may be using, is copied
    /// into a new block.
    pub(crate) fn resize(&self, env: sys::napi_env, place: Place<'_>, len: usize) -> Outcome<()> {
        let (_, old) = place.parts().ok_or_else(Failure::freed)?;
        self.note_user(None);
        let user = self.user_of(env, place);
        must_be_intact(place, "by resize()")?;
        let home = self.home_of(place);
        let leaves_bytes = place.attributes().is_secure() || home.as_ref().is_some_and(|home| home.scrubs());
        if leaves_bytes && len != old {
            return self.resize_by_copy(env, place, len, home, user);
        }
        // Before the ArrayBuffer is detached: a refusal must leave it as it is.
        self.check_resize(env, place, len)?;
        if user.is_some() || !self.recover(env, place)? {
            let block = self.with_last_chance(env, || match &home {
                Some(home) => home.malloc(len),
                None => Block::allocate(len, place.attributes().init_of_copy(), place.attributes()),
            })?;
            return self.replace(env, place, Homed::new(block, home), false, user);
        }
        self.with_last_chance(env, || place.change(|block| block.resize(len)).transpose())?
            .ok_or_else(Failure::freed)?;
        self.report(env, signed(len) - signed(old));
        Ok(())
    }

    /// Refuses a resize that the machine or the set limit would refuse now.
    fn check_resize(&self, env: sys::napi_env, place: Place<'_>, len: usize) -> Outcome<()> {
        let (start, old) = place.parts().ok_or_else(Failure::freed)?;
        // SAFETY: the entry, or what it lent its block to, has the block.
        self.with_last_chance(env, || unsafe { Block::check_resize(start, old, len, place.attributes()) })
    }

    /// Resizes the block as [`consume`](Self::consume) does, for its next owner: it leaves its pool. Returns
    /// whether it could not be resized.
    pub(crate) fn transfer(&self, env: sys::napi_env, place: Place<'_>, len: usize) -> Outcome<bool> {
        let (_, old) = place.parts().ok_or_else(Failure::freed)?;
        must_be_intact(place, "by consume()")?;
        if self.escaped(env, place)? {
            return Err(Failure::escaped());
        }
        // Before the ArrayBuffer is detached; from there on nothing is refused any more.
        self.check_resize(env, place, len)?;
        if !self.recover(env, place)? {
            return Err(Failure::escaped());
        }
        drop(self.unsettle(place));
        let failed = place.change(|block| block.resize_or_keep(len)).ok_or_else(Failure::freed)?;
        let (_, new) = place.parts().ok_or_else(Failure::freed)?;
        self.report(env, signed(new) - signed(old));
        Ok(failed)
    }

    /// Gives the block away, which leaves its pool, and returns its address.
    pub(crate) fn release(&self, env: sys::napi_env, place: Place<'_>) -> Outcome<usize> {
        place.parts().ok_or_else(Failure::freed)?;
        must_be_intact(place, "by release()")?;
        if place.attributes().is_secure() {
            return Err(Failure::secure());
        }
        if !self.recover(env, place)? {
            return Err(Failure::escaped());
        }
        let block = self.take(place).ok_or_else(Failure::freed)?.into_block();
        let len = block.len();
        let address = block.into_raw().as_ptr().expose_provenance();
        self.count(|counters| &counters.explicit_frees);
        self.report(env, -signed(len));
        Ok(address)
    }

    /// Claims a foreign block: until [`end_consume`](super::slot::end_consume) nobody else can consume it. Refuses what
    /// [`consume`](Self::consume) would refuse now.
    ///
    /// # Safety
    ///
    /// As for [`Block::consume`]; a block that is owned already is found out and refused.
    pub(crate) unsafe fn begin_consume(&self, env: sys::napi_env, start: NonNull<u8>, len: usize) -> Outcome<()> {
        let address = start.as_ptr().addr();
        if !ownership::claim(address) {
            return Err(Failure::already_owned(address));
        }
        // SAFETY: the caller vouches for the block, and nobody else here owns or consumes it.
        must_be_plausible(start)
            .and_then(|()| self.with_last_chance(env, || unsafe { Block::check_consume(start, len) }))
            .inspect_err(|_| ownership::lock().unclaim(address))
    }

    /// Takes a foreign block over, into an idle slot. Returns whether it could not be resized. `claimed` says that the
    /// caller claimed it before.
    ///
    /// # Safety
    ///
    /// As for [`begin_consume`](Self::begin_consume).
    pub(crate) unsafe fn consume(
        &self,
        env: sys::napi_env,
        place: Place<'_>,
        start: NonNull<u8>,
        len: usize,
        claimed: bool,
    ) -> Outcome<bool> {
        Self::must_be_idle(place)?;
        let address = start.as_ptr().addr();
        // From here on C may give the address to another thread, which then waits for what becomes of it.
        let is_ours = claimed && ownership::begin_resize(address)
            || ownership::claim(address) && ownership::begin_resize(address);
        if !is_ours {
            return Err(Failure::already_owned(address));
        }
        // SAFETY: the caller vouches for the block; that it is claimed says that nobody else here
        // consumed it since it was found not to be owned.
        let consumed = must_be_plausible(start)
            .and_then(|()| self.with_last_chance(env, || unsafe { Block::consume(start, len) }));
        let result = consumed.map(|Consumed { block, resize_failed }| {
            self.admit(env, place, block, |counters| &counters.allocations);
            resize_failed
        });
        // After the entry owns the block, so that somebody does at every moment.
        ownership::lock().unclaim(address);
        result
    }

    /// Leaves the block to whoever has the ticket, in whichever thread. It leaves its pool.
    pub(crate) fn hand_over(&self, env: sys::napi_env, place: Place<'_>, ticket: String) -> Outcome<()> {
        place.parts().ok_or_else(Failure::freed)?;
        must_be_intact(place, "by handOver()")?;
        if ownership::lock().has_ticket(&ticket) {
            return Err(Failure::ticket_in_use());
        }
        if !self.recover(env, place)? {
            return Err(Failure::escaped());
        }
        // The pool is left only once the block is out of here.
        let home = self.home_of(place);
        let block = self.take(place).ok_or_else(Failure::freed)?.into_block();
        let len = block.len();
        let added = ownership::lock().add_ticket(ticket, block);
        if let Err(block) = added {
            // Another thread was faster.
            place.put(block);
            if let Some(home) = &home {
                self.settle(place, home);
            }
            return Err(Failure::ticket_in_use());
        }
        self.count(|counters| &counters.handed_over);
        self.report(env, -signed(len));
        Ok(())
    }

    /// Takes the block of a ticket into an idle slot.
    pub(crate) fn take_over(&self, env: sys::napi_env, place: Place<'_>, ticket: &str) -> Outcome<()> {
        Self::must_be_idle(place)?;
        let block = ownership::lock().take_ticket(ticket).ok_or_else(Failure::bad_ticket)?;
        self.admit(env, place, block, |counters| &counters.taken_over);
        Ok(())
    }

    /// Repeats a pattern over a part of the block.
    ///
    /// # Safety
    ///
    /// `start + len` must be within the block, and `pattern` valid for reads of `pattern_len` bytes.
    pub(crate) unsafe fn fill(
        &self,
        place: Place<'_>,
        start: usize,
        len: usize,
        pattern: *const u8,
        pattern_len: usize,
    ) {
        if let Some((block, _)) = place.parts() {
            // SAFETY: the slot holds the block, and the caller vouches for the part and the pattern.
            unsafe { fill(block.as_ptr().add(start), len, pattern, pattern_len, 0) }
        }
    }

    pub(super) fn must_be_idle(place: Place<'_>) -> Outcome<()> {
        if place.state() == State::Idle { Ok(()) } else { Err(Failure::occupied()) }
    }

    #[inline]
    pub(super) fn admit(
        &self,
        env: sys::napi_env,
        place: Place<'_>,
        block: Block,
        counter: impl FnOnce(&Counters) -> &AtomicU64,
    ) {
        let len = block.len();
        place.put(block);
        self.count(counter);
        self.report(env, signed(len));
        if self.sweeper.is_due(self.slots.counters().live_bytes.load(Ordering::Relaxed)) {
            self.sweep(env, len);
        }
    }

    /// Brings a viewed block back to its entry, if nobody but the slot can reach its bytes then.
    #[inline]
    pub(super) fn recover(&self, env: sys::napi_env, place: Place<'_>) -> Outcome<bool> {
        if place.state() != State::Viewed {
            return Ok(true);
        }
        let recovered = self.recover_unreported(env, place)?;
        if recovered && let Some((_, len)) = place.parts() {
            self.report(env, signed(len));
        }
        Ok(recovered)
    }

    /// [`recover`](Self::recover) without telling V8 that the bytes are under no `ArrayBuffer` now.
    #[inline]
    fn recover_unreported(&self, env: sys::napi_env, place: Place<'_>) -> Outcome<bool> {
        if place.state() != State::Viewed {
            return Ok(true);
        }
        let Some(view) = self.views.borrow_mut().remove(&place.index()) else { return Ok(false) };
        let generation = place.generation();
        let detached = view.detach(env, self.transfer.get());
        if place.generation() != generation {
            // A program replaced `transfer` before the addon was loaded, and freed the slot in there.
            // What the entry holds now is not this view's.
            drop(view.orphan(env));
            return Err(Failure::freed());
        }
        if !detached {
            self.views.borrow_mut().insert(place.index(), view);
            return Ok(false);
        }
        let Some(block) = view.into_block(env) else {
            // Leaked as the environment went down.
            self.forget(place);
            return Ok(false);
        };
        place.reclaim(block);
        Ok(true)
    }

    /// Leaves a block to its backing store, and with it its home: one that has escaped, or that `user` may be using.
    pub(super) fn abandon(&self, env: sys::napi_env, place: Place<'_>, user: Option<User>) {
        if let Some(user) = user {
            return self.let_go(env, place, user);
        }
        let view = self.views.borrow_mut().remove(&place.index());
        // First, so that at every moment somebody is known to own the address.
        let last = view.and_then(|view| view.orphan(env));
        self.forget(place);
        // Nobody may be known to own it any more once C has it back.
        drop(last);
    }

    /// Takes what is known of a viewed block from its entry: its control block has dealt with it, or will.
    pub(super) fn forget(&self, place: Place<'_>) {
        if place.state() == State::Viewed {
            drop(self.unsettle(place));
            place.forget();
        }
    }

    pub(super) fn attached(&self, env: sys::napi_env, place: Place<'_>) -> Outcome<sys::napi_value> {
        let Some(view) = self.views.borrow_mut().remove(&place.index()) else { return Ok(ptr::null_mut()) };
        let attached = view.attached(env);
        self.views.borrow_mut().insert(place.index(), view);
        attached
    }

    fn count(&self, counter: impl FnOnce(&Counters) -> &AtomicU64) {
        add(counter(self.slots.counters()), 1);
    }
}

/// A length as a signed number: no block is longer than `isize::MAX`.
pub(super) fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
