//! What a call outlives, one sentence each, in a time that stands still between events.
#![allow(clippy::disallowed_methods, reason = "tasks of a test end with it")]

mod faults;
mod noise;
mod world;

use std::time::Duration;

/// So many milliseconds.
const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
