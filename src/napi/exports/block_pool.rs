//! `BlockPool`: the pool of `cmalloc/pool`, as JavaScript sees it.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::Env;
use napi_derive::napi;

use crate::napi::environment::{EndsWithEnvironment, Environment};
use crate::napi::node_api::arguments::{alignment_of, exact_integer, length_of};
use crate::napi::node_api::failure::{Failure, Outcome, throwing};
use crate::napi::teardown::end_with;
use crate::{Pool, PoolOptions};

/// Blocks that are handed out again, resident as they are: see `Slot.allocateFrom`.
///
/// `Pool` of `cmalloc/pool` is what to use; it is built on this.
#[napi]
pub struct BlockPool {
    pub(super) pool: Arc<Pool>,
}

/// What a pool did, and what it retains.
#[napi(object)]
pub struct BlockPoolStats {
    /// Requests that got a block that was retained.
    pub hits: f64,
    /// Requests that got a new block.
    pub misses: f64,
    /// Blocks that are retained.
    pub retained_blocks: f64,
    /// Their bytes.
    pub retained_bytes: f64,
}

#[napi]
impl BlockPool {
    /// A pool that retains at most `retainBytes`. Its blocks have the lengths `classes`, or else those that it has by
    /// itself; with `scrub` they are zeroed as they come back. Their addresses are multiples of `align`, as for
    /// `Slot.allocate`.
    ///
    /// Throws `ERR_OUT_OF_RANGE`, `ERR_FEATURE_UNAVAILABLE_ON_PLATFORM`.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        retain_bytes: f64,
        classes: Option<Vec<f64>>,
        scrub: Option<bool>,
        align: Option<f64>,
    ) -> napi::Result<Self> {
        throwing(env, || {
            let classes = classes.unwrap_or_default().into_iter().map(length_of).collect::<Outcome<_>>()?;
            let retain_bytes = length_of(retain_bytes)?;
            let align = align.map(alignment_of).transpose()?;
            let pool = Pool::new(PoolOptions { retain_bytes, classes, scrub: scrub == Some(true), align });
            end_with(&*Environment::of(env.raw())?, &pool);
            Ok(Self { pool })
        })
    }

    /// Frees retained blocks, those first that came first, until at most `retainBytes` are left. Returns how many bytes
    /// were freed.
    ///
    /// Throws `ERR_OUT_OF_RANGE`.
    #[napi]
    pub fn trim(&self, env: Env, retain_bytes: f64) -> napi::Result<f64> {
        let most = throwing(env, || natural(retain_bytes))?;
        Ok(self.pool.trim(usize::try_from(most).unwrap_or(usize::MAX)) as f64)
    }

    /// Frees the blocks that have been retained for so long. Returns how many bytes were freed.
    ///
    /// Throws `ERR_OUT_OF_RANGE`.
    #[napi]
    pub fn release_idle(&self, env: Env, milliseconds: f64) -> napi::Result<f64> {
        let idle = throwing(env, || natural(milliseconds))?;
        Ok(self.pool.release_idle(Duration::from_millis(idle)) as f64)
    }

    /// Frees what is retained. Blocks that are alive are freed as they end.
    #[napi]
    pub fn close(&self) {
        self.pool.close();
    }

    /// Whether nothing is retained, and no block is alive that could be.
    #[napi(getter)]
    pub fn idle(&self) -> bool {
        // Whatever holds a block of the pool holds the pool.
        Arc::strong_count(&self.pool) == 1 && self.pool.stats().retained_blocks == 0
    }

    /// What the pool did, and what it retains.
    #[napi]
    pub fn stats(&self) -> BlockPoolStats {
        let stats = self.pool.stats();
        BlockPoolStats {
            hits: stats.hits as f64,
            misses: stats.misses as f64,
            retained_blocks: stats.retained_blocks as f64,
            retained_bytes: stats.retained_bytes as f64,
        }
    }
}

impl EndsWithEnvironment for Pool {
    fn give_back(&self) {
        self.close();
    }
}

impl Drop for BlockPool {
    fn drop(&mut self) {
        // Nobody is left who could ask for what it retains, or will.
        self.pool.close();
    }
}

/// An integer from 0 to 2^53 - 1.
fn natural(value: f64) -> Outcome<u64> {
    exact_integer(value)
        .ok_or_else(|| Failure::out_of_range(format!("The number must be an integer from 0 to 2^53 - 1, not {value}")))
}
