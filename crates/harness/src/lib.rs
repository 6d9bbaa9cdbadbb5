//! What the end-to-end tests stand on: real installations, plain clients that never retry, a browser, an
//! application to protect.
//!
//! **Not here:** fakes. Everything is a real process with real sockets, ended by its own process id. Only tests
//! depend on this crate.
//!
//! **Begin at** [`installation::Installation`], then [`client::Client`].

pub mod api;
pub mod application;
pub mod balancer;
pub mod browser;
pub mod client;
pub mod codes;
pub mod database;
pub mod hosts;
pub mod installation;
pub mod load;
pub mod machines;
pub mod markup;
pub mod memory;
pub mod namespace;
pub mod ports;
pub mod processes;
pub mod relay;
pub mod scene;
pub mod serving;
pub mod sign_in;
pub mod sockets;
pub mod swarm_scene;
pub mod trust;
pub mod until;
pub mod users;

pub use client::{Answer, Client};
pub use installation::Installation;
pub use until::{soon, until};
