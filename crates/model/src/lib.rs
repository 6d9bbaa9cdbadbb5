//! The nouns that every service shares: ids, names, times, requests, verdicts, the configuration
//! and the topology.
//!
//! **Not here:** anything that reads a clock, draws a random number, touches a file or a socket;
//! anything about processes; how a thing is stored or travels.
//!
//! **Begin at** [`configuration::Configuration`] (what an administrator writes), then
//! [`request::RequestFacts`] and [`verdict::Verdict`] (what the services say to each other).

pub mod configuration;
pub mod database_timeline;
pub mod factor;
pub mod host;
pub mod id;
pub mod name;
pub mod path;
pub mod period;
pub mod reads;
pub mod request;
pub mod secret;
pub mod service;
pub mod session;
pub mod snapshot;
pub mod timestamp;
pub mod topology;
pub mod verdict;

pub use configuration::Configuration;
pub use database_timeline::DatabaseTimeline;
pub use factor::Factor;
pub use host::Host;
pub use id::Id;
pub use name::Name;
pub use path::NormalPath;
pub use period::Period;
pub use reads::Reads;
pub use request::RequestFacts;
pub use secret::Secret;
pub use service::Service;
pub use session::SessionFacts;
pub use timestamp::Timestamp;
pub use topology::{Instance, Topology};
pub use verdict::Verdict;
