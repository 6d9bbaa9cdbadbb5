//! Drives the engine: connections, heartbeats, retries, events.
//!
//! A caller makes a [`Pool`] from a [`Dial`], spawns [`Pool::run`] (the heartbeats) and uses
//! [`Pool::call`]. Nothing here decides who is up: that is the engine's.

mod call;
mod chooser;
mod classify;
mod dial;
mod heartbeat;
mod lateness;
mod links;
mod names;
mod options;
mod pool;
pub mod tell;
#[cfg(test)]
mod tests;

pub use call::CallError;
pub use chooser::Chooser;
pub use classify::{Classify, Reach};
pub use dial::{Beat, BeatError, Dial, DialError};
pub use options::{CallKind, CallOptions};
pub use pool::{Pool, PoolOptions};
