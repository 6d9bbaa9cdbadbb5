//! A load as honest clients make it: at a steady rate whether or not earlier requests were
//! answered, over kept and new connections, each request written once and never again.
//!
//! [`LoadClient`] sends single requests; [`Load`] paces whatever exchange it is given.

mod client;
mod pace;
mod tally;

pub use client::{LoadClient, LoadClientError, Way};
pub use pace::{Exchange, Load};
pub use tally::{Broken, Loss, Sample, Tally};
