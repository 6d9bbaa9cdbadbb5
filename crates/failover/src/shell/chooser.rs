//! Who chooses the member for a call: the engine, by a random number. A simulation brings a
//! generator with a seed, so that the same seed is the same run.

use std::sync::Arc;

use evergate_model::Timestamp;

use crate::engine::{Engine, MemberId};

type Choose = dyn Fn(&Engine, &[MemberId], Timestamp) -> Option<MemberId> + Send + Sync;

/// Chooses a member that was not tried.
#[derive(Clone)]
pub struct Chooser(Arc<Choose>);

impl Chooser {
    /// One that chooses so.
    #[must_use]
    pub fn new(
        choose: impl Fn(&Engine, &[MemberId], Timestamp) -> Option<MemberId> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(choose))
    }

    pub(super) fn choose(&self, engine: &Engine, tried: &[MemberId], now: Timestamp) -> Option<MemberId> {
        (self.0)(engine, tried, now)
    }
}

impl Default for Chooser {
    /// [`Engine::pick`] with a number of the thread's generator.
    fn default() -> Self {
        Self::new(|engine, tried, now| engine.pick(tried, rand::random(), now))
    }
}

impl std::fmt::Debug for Chooser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chooser")
    }
}
