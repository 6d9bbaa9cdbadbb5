//! The administration service: where the configuration is changed and published, keys and
//! certificates are made and handed out, and status is collected.
//!
//! **Not here:** what a configuration means (`decision`, the other services); how snapshots are
//! verified and applied (`wire`); HTML (`pages`); sessions (policy owns them).
//!
//! **Begin at** [`setup`] (what an installation consists of), then `publishing` (how a change
//! reaches the instances), then `api` (what administrators may ask for).

pub mod api;
mod authorities;
mod bootstrap;
mod browser_listener;
mod bundles;
mod certificates;
pub mod configuration;
mod console;
mod failure;
mod grpc;
mod heads;
mod lease;
mod material;
mod names;
mod office;
mod passwords;
mod privilege;
mod publishing;
mod rotation;
mod serve;
pub mod setup;
mod statuses;
#[cfg(test)]
mod testing;
mod topology;
mod upkeep;
mod vault;

pub use failure::{ErrorBody, Failure};
pub use privilege::Privilege;
pub use serve::serve;
