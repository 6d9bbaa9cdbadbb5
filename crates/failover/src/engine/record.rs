//! How often a member gave trouble, and how long it is therefore left alone: longer each time.

use std::time::Duration;

/// The longest hold-down is reached long before the doubling would overflow.
const DOUBLINGS_MAX: u32 = 16;

/// Counts what happened again before the last time was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Record {
    times: u32,
}

impl Record {
    /// It happened again; or for the first time, if it was `steady` for so long that what came
    /// before is forgotten.
    pub(super) const fn note(&mut self, steady: bool) {
        self.times = if steady { 1 } else { self.times.saturating_add(1) };
    }

    /// The wait that follows: `first` the first time, doubled each further time.
    pub(super) fn wait(self, first: Duration, longest: Duration) -> Duration {
        let doublings = self.times.saturating_sub(1).min(DOUBLINGS_MAX);
        first.saturating_mul(1 << doublings).min(longest)
    }
}
