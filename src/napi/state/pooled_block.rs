//! A block, and where it goes at its end: to those who share its bytes, to the pool that it came from (its **origin**), or back
//! to C.

use std::ops::Deref;
use std::sync::Arc;

use super::share::Share;
use crate::debug::{self, Corruption};
use crate::{Block, Pool};

/// Who has the bytes of a block beside its owner.
pub(crate) type BlockShare = Share<PooledBlock>;

/// A block, and where it goes at its end. Dropped, it goes there.
pub(crate) struct PooledBlock {
    /// `None` from the end on only.
    block: Option<Block>,
    origin: Option<Arc<Pool>>,
    /// `None` as long as nobody asked for a `SharedArrayBuffer`, and once the block was left to them.
    share: Option<Arc<BlockShare>>,
}

impl PooledBlock {
    #[inline]
    pub(crate) fn new(block: Block, origin: Option<Arc<Pool>>) -> Self {
        Self { block: Some(block), origin, share: None }
    }

    /// The same block, which is shared if there is a share.
    #[inline]
    pub(crate) fn shared_by(mut self, share: Option<Arc<BlockShare>>) -> Self {
        self.share = share;
        self
    }

    /// The two apart: the block can only go back if somebody puts them together again. Whoever shares it is forgotten.
    #[inline]
    pub(crate) fn into_parts(mut self) -> (Block, Option<Arc<Pool>>) {
        (self.block.take().expect(ENDED), self.origin.take())
    }

    /// Ends the block as its user frees it, and tells whether it was intact. What its pool does not retain is freed, unless it
    /// is shared. A secret is gone in any case.
    #[inline]
    pub(crate) fn end(mut self) -> Result<(), Corruption> {
        let intact = if self.share.is_some() { self.end_for_its_user() } else { Ok(()) };
        intact.and(self.give_up().map_or(Ok(()), Block::free))
    }

    /// What free() does to a block that may live on.
    #[cold]
    fn end_for_its_user(&mut self) -> Result<(), Corruption> {
        if self.attributes().is_secure() {
            self.block_mut().wipe();
        }
        if debug::is_enabled() { debug::check(self.start(), "by free()") } else { Ok(()) }
    }

    /// Leaves the block to those who share it, or gives it back to its pool. Returns it if it is to be freed.
    #[inline]
    fn give_up(&mut self) -> Option<Block> {
        let block = self.block.take()?;
        if let Some(share) = self.share.take() {
            return share.leave(Self::new(block, self.origin.take()))?.give_up();
        }
        match &self.origin {
            Some(origin) => origin.take_back(block),
            None => Some(block),
        }
    }

    pub(crate) fn set_share(&mut self, share: Arc<BlockShare>) {
        self.share = Some(share);
    }

    pub(crate) fn block_mut(&mut self) -> &mut Block {
        self.block.as_mut().expect(ENDED)
    }
}

const ENDED: &str = "only the end takes the block out";

impl From<Block> for PooledBlock {
    #[inline]
    fn from(block: Block) -> Self {
        Self::new(block, None)
    }
}

impl Deref for PooledBlock {
    type Target = Block;

    fn deref(&self) -> &Block {
        self.block.as_ref().expect(ENDED)
    }
}

impl Drop for PooledBlock {
    fn drop(&mut self) {
        drop(self.give_up());
    }
}
