//! Whether this process should be given work, and what it lacks.
//!
//! Ready also when degraded, because a degraded instance that is left alone helps nobody: only one
//! that is starting, draining or less able than a peer says no.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

/// What keeps an instance from being whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Which part of the process says so.
    pub key: &'static str,
    /// Whether callers should go elsewhere because of it.
    pub refuses: bool,
    /// What is the matter, for the operator.
    pub text: String,
}

/// The readiness of an instance at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct State {
    /// Whether it should be given work.
    pub ready: bool,
    /// What it lacks; may be non-empty although it is ready.
    pub reasons: Vec<Reason>,
}

/// The readiness of this process. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reasons: Mutex<BTreeMap<&'static str, Reason>>,
    state: watch::Sender<State>,
}

const STARTING: &str = "starting";

impl Default for Readiness {
    fn default() -> Self {
        Self::starting()
    }
}

impl Readiness {
    /// Of a process that has just started: not ready until [`Readiness::started`].
    #[must_use]
    pub fn starting() -> Self {
        let readiness =
            Self(Arc::new(Inner { reasons: Mutex::default(), state: watch::Sender::new(State::default()) }));
        readiness.not_ready(STARTING, "starting");
        readiness
    }

    /// The process has all it needs to serve.
    pub fn started(&self) {
        self.clear(STARTING);
    }

    /// Something is missing, but peers are no better off.
    pub fn degraded(&self, key: &'static str, reason: impl Into<String>) {
        self.set(Reason { key, refuses: false, text: reason.into() });
    }

    /// Callers should go elsewhere.
    pub fn not_ready(&self, key: &'static str, reason: impl Into<String>) {
        self.set(Reason { key, refuses: true, text: reason.into() });
    }

    /// What `key` said no longer holds.
    pub fn clear(&self, key: &'static str) {
        let mut reasons = self.0.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        if reasons.remove(key).is_some() {
            self.publish(&reasons);
        }
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// Follows the state.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    fn set(&self, reason: Reason) {
        let mut reasons = self.0.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        if reasons.get(reason.key) != Some(&reason) {
            reasons.insert(reason.key, reason);
            self.publish(&reasons);
        }
    }

    fn publish(&self, reasons: &BTreeMap<&'static str, Reason>) {
        let reasons: Vec<Reason> = reasons.values().cloned().collect();
        let ready = !reasons.iter().any(|reason| reason.refuses);
        self.0.state.send_replace(State { ready, reasons });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degraded_instance_is_ready_and_says_why() {
        let readiness = Readiness::starting();
        assert!(!readiness.state().ready);
        readiness.started();
        readiness.degraded("database", "the database does not answer");
        let state = readiness.state();
        assert!(state.ready);
        assert_eq!(state.reasons.len(), 1);
        readiness.not_ready("draining", "draining");
        assert!(!readiness.state().ready);
        readiness.clear("draining");
        assert!(readiness.state().ready);
    }
}
