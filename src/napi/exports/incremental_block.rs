//! `IncrementalBlock`: a block that is made resident in steps, off JavaScript's thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use napi::Task;
use napi::bindgen_prelude::{AsyncTask, Env};
use napi_derive::napi;
use zeroize::Zeroizing;

use crate::block::Init;
use crate::napi::environment::{EndsWithEnvironment, Environment};
use crate::napi::node_api::arguments::{Bytes, byte_of, length_of, options_of};
use crate::napi::node_api::failure::{Failure, Outcome, throwing};
use crate::napi::retry::with_retries;
use crate::napi::teardown::end_with;
use crate::{Block, OutOfMemory, incremental};

/// What the thread pool and JavaScript's thread share. Whoever lets go last gives the memory back.
#[derive(Default)]
struct State {
    inner: Option<incremental::IncrementalBlock>,
    /// Why the last step failed.
    failure: Option<Reason>,
}

enum Reason {
    OutOfMemory(OutOfMemory),
    Panic,
}

/// A block that becomes resident in steps, and that a slot takes over then. The memory is given back by `cancel()`, or
/// when the object is garbage-collected.
#[napi]
pub struct IncrementalBlock {
    state: Arc<Mutex<State>>,
}

#[napi]
impl IncrementalBlock {
    /// Allocates `byteLength` bytes without touching them. They are to hold anything; or the byte `fill` everywhere; or
    /// the bytes of `pattern`, which are copied, over and over. `align` and `secure` are as for `Slot.allocate`.
    ///
    /// Throws `ERR_OUT_OF_RANGE`, `ERR_CMALLOC_OUT_OF_MEMORY`, `ERR_CMALLOC_LOCK_LIMIT`,
    /// `ERR_FEATURE_UNAVAILABLE_ON_PLATFORM`, and `ERR_INVALID_ARG_VALUE` if the pattern is empty.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        byte_length: f64,
        fill: Option<f64>,
        #[napi(ts_arg_type = "Uint8Array")] pattern: Option<Bytes>,
        align: Option<f64>,
        secure: Option<bool>,
    ) -> napi::Result<Self> {
        throwing(env, || {
            let environment = Environment::of(env.raw())?;
            let len = length_of(byte_length)?;
            let pattern = match (fill, &pattern) {
                (Some(byte), _) => Zeroizing::new(vec![byte_of(byte)?]),
                (None, Some(pattern)) => pattern.copy(len)?,
                (None, None) => Zeroizing::default(),
            };
            let attributes = options_of(Init::Uninit, align, false, secure == Some(true))?.attributes();
            let inner = with_retries(&environment, || {
                let (init, pattern) = incremental::IncrementalBlock::split(&pattern, len);
                incremental::IncrementalBlock::new(len, init, pattern, attributes)
            })?;
            let state = Arc::new(Mutex::new(State { inner: Some(inner), failure: None }));
            end_with(&environment, &state);
            Ok(Self { state })
        })
    }

    /// Makes about `byteLength` more bytes resident in the thread pool. `residentBytes` tells what came of it.
    ///
    /// Throws `ERR_OUT_OF_RANGE`.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn step(&self, env: Env, byte_length: f64) -> napi::Result<AsyncTask<Step>> {
        let len = throwing(env, || length_of(byte_length))?;
        Ok(AsyncTask::new(Step { state: Arc::clone(&self.state), len }))
    }

    /// How many bytes are resident.
    ///
    /// Throws `ERR_CMALLOC_OUT_OF_MEMORY` if the last step was refused, and `ERR_CMALLOC_FREED` if there is no block any
    /// more.
    #[napi]
    pub fn resident_bytes(&self, env: Env) -> napi::Result<f64> {
        throwing(env, || {
            let mut state = lock(&self.state);
            match state.failure.take() {
                Some(Reason::OutOfMemory(refusal)) => Err(refusal.into()),
                Some(Reason::Panic) => Err(Failure::panicked()),
                None => Ok(state.inner.as_ref().ok_or_else(Failure::freed)?.resident() as f64),
            }
        })
    }

    /// Gives the memory back, after the step that is being made.
    #[napi]
    pub fn cancel(&self) {
        self.state.give_back();
    }

    /// The block, of which everything is resident.
    pub(super) fn finish(&self) -> Outcome<Block> {
        let inner = lock(&self.state).inner.take().ok_or_else(Failure::freed)?;
        Ok(inner.finish()?)
    }
}

impl EndsWithEnvironment for Mutex<State> {
    fn give_back(&self) {
        lock(self).inner = None;
    }
}

/// A step on its way to the thread pool and back.
pub struct Step {
    state: Arc<Mutex<State>>,
    len: usize,
}

impl Task for Step {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        let mut state = lock(&self.state);
        let Some(inner) = &mut state.inner else { return Ok(()) };
        // Nothing unwinds into the runtime.
        state.failure = match catch_unwind(AssertUnwindSafe(|| inner.step(self.len))) {
            Ok(outcome) => outcome.err().map(Reason::OutOfMemory),
            Err(_) => Some(Reason::Panic),
        };
        Ok(())
    }

    fn resolve(&mut self, _env: Env, (): ()) -> napi::Result<()> {
        Ok(())
    }
}

/// A step that panicked has left everything whole.
fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
