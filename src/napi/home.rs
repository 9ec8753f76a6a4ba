//! Blocks that go back to a pool at their end: their **home**.
//!
//! An entry says by one byte whether its block has a home, and the home is in a map of the environment; so blocks that
//! have none pay for the byte alone. Both are set as the block comes, and taken away whenever it leaves its entry.

use std::ops::Deref;
use std::sync::Arc;

use napi::sys;

use super::environment::Environment;
use super::event_loop::User;
use super::failure::{Failure, Outcome};
use super::lifecycle::{Init, signed};
use super::table::{Place, State, add};
use crate::debug::Corruption;
use crate::{Block, Pool};

/// A block, and its home if it has one. Dropped, it goes home, or is freed.
pub(crate) struct Homed {
    /// `None` from the end on only.
    block: Option<Block>,
    home: Option<Arc<Pool>>,
}

impl Homed {
    pub(super) fn new(block: Block, home: Option<Arc<Pool>>) -> Self {
        Self { block: Some(block), home }
    }

    /// The block without its home. It can still go there, as its entry may know it too.
    pub(super) fn into_block(mut self) -> Block {
        match self.block.take() {
            Some(block) => block,
            None => unreachable!("only the end takes it out"),
        }
    }

    /// Ends the block, and tells whether it was intact. What is not retained is freed.
    pub(super) fn end(mut self) -> Result<(), Corruption> {
        self.leave().map_or(Ok(()), Block::free)
    }

    /// Sends the block home. Returns it if it is to be freed.
    fn leave(&mut self) -> Option<Block> {
        let block = self.block.take()?;
        match &self.home {
            Some(home) => home.take_back(block),
            None => Some(block),
        }
    }
}

impl Deref for Homed {
    type Target = Block;

    fn deref(&self) -> &Block {
        match &self.block {
            Some(block) => block,
            None => unreachable!("only the end takes it out"),
        }
    }
}

impl Drop for Homed {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

impl Environment {
    /// Allocates a block of a pool into an idle slot; it goes back there at its end.
    pub(crate) fn allocate_from(
        &self,
        env: sys::napi_env,
        place: Place<'_>,
        pool: &Arc<Pool>,
        len: usize,
        init: Init,
    ) -> Outcome<()> {
        Self::must_be_idle(place)?;
        if pool.is_closed() {
            return Err(Failure::pool_closed());
        }
        let block = self.with_last_chance(env, || pool.allocate(len, init.into()))?;
        self.admit(env, place, block, |counters| &counters.allocations);
        self.settle(place, pool);
        Ok(())
    }

    /// Gives the block that an entry has just got a home.
    pub(super) fn settle(&self, place: Place<'_>, home: &Arc<Pool>) {
        self.homes.borrow_mut().insert(place.index(), Arc::clone(home));
        place.set_homed(true);
    }

    /// The home of an entry's block.
    #[inline]
    pub(super) fn home_of(&self, place: Place<'_>) -> Option<Arc<Pool>> {
        if place.is_homed() { self.homes.borrow().get(&place.index()).cloned() } else { None }
    }

    /// Takes the home from an entry whose block leaves it, or its pool.
    #[inline]
    pub(super) fn unsettle(&self, place: Place<'_>) -> Option<Arc<Pool>> {
        if place.is_homed() { self.remove_home(place) } else { None }
    }

    #[cold]
    fn remove_home(&self, place: Place<'_>) -> Option<Arc<Pool>> {
        place.set_homed(false);
        self.homes.borrow_mut().remove(&place.index())
    }

    /// Ends the block of a live entry. It is freed if its home does not retain it.
    #[cold]
    pub(super) fn send_home(&self, place: Place<'_>) -> Result<(), Corruption> {
        self.take(place).map_or(Ok(()), Homed::end)
    }

    /// Takes the block of a live entry out, together with its home.
    #[inline]
    pub(super) fn take(&self, place: Place<'_>) -> Option<Homed> {
        let block = place.take()?;
        Some(Homed::new(block, self.unsettle(place)))
    }

    /// Resizes a secure block, or one of a pool that scrubs. C's `realloc` would leave bytes behind that nobody has zeroed,
    /// so that they are copied into another block, of the pool if there is one.
    pub(super) fn resize_by_copy(
        &self,
        env: sys::napi_env,
        place: Place<'_>,
        len: usize,
        home: Option<Arc<Pool>>,
        user: Option<User>,
    ) -> Outcome<()> {
        // Before the ArrayBuffer is detached: a refusal must leave it as it is.
        let block = self.with_last_chance(env, || match &home {
            Some(home) => home.allocate(len, Init::Uninit.into()),
            None => Block::allocate(len, Init::Uninit.into(), place.attributes()),
        })?;
        let block = Homed::new(block, home);
        let recovered = user.is_none() && self.recover(env, place)?;
        self.replace(env, place, block, recovered, user)
    }

    /// Puts a copy of an entry's block, as far as it has room for that, in the place of it. `recovered` says that nobody
    /// else can reach the old bytes, `user` who may be using them.
    pub(super) fn replace(
        &self,
        env: sys::napi_env,
        place: Place<'_>,
        mut block: Homed,
        recovered: bool,
        user: Option<User>,
    ) -> Outcome<()> {
        let (start, old) = place.parts().ok_or_else(Failure::freed)?;
        // A sweep that made room for the new block may have found that nobody has the old one's ArrayBuffer.
        let (recovered, user) = if place.state() == State::Viewed { (recovered, user) } else { (true, None) };
        if let Some(block) = &mut block.block {
            // SAFETY: the old block lives as long as the entry has it, which it does until it is taken or abandoned below.
            // The new one is another, made by who calls for this.
            unsafe { block.take_contents(start, old) };
        }
        if recovered {
            drop(self.take(place));
            self.report(env, -signed(old));
        } else {
            self.abandon(env, place, user);
        }
        add(&self.slots.counters().explicit_frees, 1);
        let home = block.home.clone();
        self.admit(env, place, block.into_block(), |counters| &counters.allocations);
        if let Some(home) = home {
            self.settle(place, &home);
        }
        Ok(())
    }
}
