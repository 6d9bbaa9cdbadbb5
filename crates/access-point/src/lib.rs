//! The access point: the reverse proxy that every user request enters by (policy enforcement
//! point).
//!
//! A request passes five phases, one module each, in this order: `accept`, `identify`,
//! `decide`, `forward`, `record`. Nothing is forwarded without a `decide::Permit`.
//!
//! **Not here:** rules and users (policy decides), sign-in pages (authentication makes them), the
//! database, any private key but those of the listeners' certificates.
//!
//! **Begin at** `desk::Desk::answer`: the life of a request; then [`serve()`] for how it
//! starts.

pub mod accept;
mod answers;
mod body;
mod certificates;
mod connection;
mod decide;
mod desk;
mod forward;
pub mod identify;
mod patience;
mod record;
mod reserved;
mod serve;
mod settings;
mod sign_in;
mod site;
#[cfg(test)]
mod tests;
mod worker;

pub use serve::{serve, serve_with};
pub use settings::Settings;
