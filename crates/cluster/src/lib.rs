//! The installation as a whole: `network.yml`, what a swarm is told of it and in which order, the client of the REST
//! API, and the drill that kills instances and counts what that costs.
//!
//! **Not here:** what an instance does; how processes are started and ended (the `process` crate
//! and `evergate up`); the words of the command line.
//!
//! **Begin at** [`network::Network`] (the one file of the topology), then [`render::render`], [`plan::Plan`] and
//! [`swarm::Swarm`], or [`drill::run`].

pub mod api_client;
pub mod checks;
pub mod deployed;
pub mod drill;
pub mod image;
pub mod load;
pub mod network;
pub mod plan;
pub mod render;
pub mod running;
pub mod swarm;
