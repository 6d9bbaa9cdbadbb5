//! The policy service: decides whether a session's request may reach a resource, and owns sessions.
//!
//! **Not here:** the rule language and how a rule is evaluated (`decision`); how factors are proven
//! (`authentication`); what is done with a verdict (`access-point`).
//!
//! **Begin at** [`policy::Policy`] (what an instance holds), then [`decide`] (its main work); the
//! other calls of `policy.proto` are one file each, listed in `calls`. What goes on in the
//! background: [`log`] (revocations), [`activity`] (idle times), `tidying`.

pub mod activity;
mod audit;
mod calls;
mod database;
pub mod decide;
mod ending;
mod error;
mod follow;
mod hand_over;
mod listing;
pub mod log;
mod names;
mod opening;
pub mod policy;
mod rules;
mod serve;
mod session_cache;
mod signer;
mod test_access;
mod tidying;

pub use error::PolicyError;
pub use policy::Policy;
pub use rules::{Rules, RulesError};
pub use serve::{router, serve};
pub use signer::Signer;
