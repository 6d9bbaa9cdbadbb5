//! How a process of Evergate lives: its clock, its tasks, its signals, its log, its identity, its
//! listeners and links, and the supervisor that starts it.
//!
//! **Not here:** any word of the domain (sessions, rules, configurations); the services link this
//! crate, it knows none of them. The lean access point links it too, so nothing that signs or
//! stores may enter.
//!
//! **Begin at** [`instance`]: what a service is handed when it starts.

pub mod bootstrap;
pub mod clock;
pub mod files;
pub mod http_client;
pub mod identity;
pub mod instance;
pub mod internal_listener;
pub mod lifecycle;
pub mod limits;
pub mod link;
pub mod live;
pub mod names;
pub mod operations;
pub mod places;
pub mod readiness;
pub mod shedding;
pub mod supervisor;
pub mod telemetry;

pub use bootstrap::Bootstrap;
pub use clock::Clock;
pub use identity::{Identity, Peer};
pub use instance::Instance;
pub use lifecycle::Lifecycle;
pub use readiness::Readiness;
