//! Ordered pools: which of several equal servers gets the next call, and how a call outlives the
//! death of the one that had it.
//!
//! [`engine`] is a pure state machine (events and the time in, commands out); [`shell`] drives it
//! with real connections, heartbeats and retries. The access point drives the engine itself for
//! applications, which are not pinged.
//!
//! **Not here:** what is called and how a connection is made (the `wire` and `process` crates
//! bring that as a [`shell::Dial`]); where the list of members comes from.
//!
//! **Begin at** [`engine::Engine`], then [`shell::Pool::call`].

pub mod engine;
pub mod shell;

pub use engine::{Engine, Member, MemberId};
pub use shell::{CallError, CallOptions, Classify, Dial, Pool, Reach};
