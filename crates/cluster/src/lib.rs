//! The installation as a whole: `network.yml`, and the drill that kills instances and counts.
//!
//! **Not here:** what an instance does; how processes are started and ended (the `process` crate
//! and `evergate up`).
//!
//! **Begin at** [`network::Network`] (the one file of the topology), then [`drill::run`].

pub mod network;
