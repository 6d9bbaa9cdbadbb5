//! The distribution service: takes in mail and delivers it, hands out soft tokens and binds them
//! to their users.
//!
//! **Not here:** what a code is good for and whether it was right at sign-in (`authentication`);
//! the seeds of bound soft tokens, which only authentication can open.
//!
//! **Begin at** [`service::Service`] (the calls), then [`acceptance`] (mail comes in), [`delivery`]
//! (mail goes out) and [`enrolment`] (soft tokens).

pub mod acceptance;
pub mod current;
pub mod delivery;
pub mod enrolment;
pub mod error;
pub mod letter;
pub mod measures;
mod serve;
pub mod service;

pub use error::DistributionError;
pub use serve::serve;
pub use service::Service;
