//! A block, and the pool that it goes back to at its end, if it came from one: its **origin**.

use std::ops::Deref;
use std::sync::Arc;

use crate::debug::Corruption;
use crate::{Block, Pool};

/// A block, and its origin if it has one. Dropped, it goes back there, or is freed.
pub(crate) struct PooledBlock {
    /// `None` from the end on only.
    block: Option<Block>,
    origin: Option<Arc<Pool>>,
}

impl PooledBlock {
    #[inline]
    pub(crate) fn new(block: Block, origin: Option<Arc<Pool>>) -> Self {
        Self { block: Some(block), origin }
    }

    /// The two apart: the block can only go back if somebody puts them together again.
    #[inline]
    pub(crate) fn into_parts(mut self) -> (Block, Option<Arc<Pool>>) {
        (self.block.take().expect(ENDED), self.origin.take())
    }

    /// Ends the block, and tells whether it was intact. What its pool does not retain is freed.
    #[inline]
    pub(crate) fn end(mut self) -> Result<(), Corruption> {
        self.return_to_pool().map_or(Ok(()), Block::free)
    }

    /// Gives the block back to its pool. Returns it if it is to be freed.
    #[inline]
    fn return_to_pool(&mut self) -> Option<Block> {
        let block = self.block.take()?;
        match &self.origin {
            Some(origin) => origin.take_back(block),
            None => Some(block),
        }
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
        drop(self.return_to_pool());
    }
}
