//! The installation as a whole: `network.yml`, the client of the REST API, and the drill that kills
//! instances and counts what that costs.
//!
//! **Not here:** what an instance does; how processes are started and ended (the `process` crate
//! and `evergate up`); the words of the command line.
//!
//! **Begin at** [`network::Network`] (the one file of the topology), then [`drill::run`].

pub mod api_client;
pub mod drill;
pub mod load;
pub mod network;
pub mod running;
