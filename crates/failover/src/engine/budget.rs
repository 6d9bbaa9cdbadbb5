//! How many lost calls may be repeated at once, so that retries cannot multiply an overload.

use std::time::Duration;

use evergate_model::Timestamp;

const WINDOW: Duration = Duration::from_secs(1);
const SMALLEST: u32 = 10;

/// Counts the repetitions of calls that were lost after they were sent; those that never reached a
/// handler cost nothing. Repetitions beyond a fifth of the calls are paced, never forbidden; the
/// floor is the number of calls in flight, so that a crash which loses all of them delays none.
#[derive(Debug, Clone)]
pub struct Budget {
    window_began: Timestamp,
    calls: u32,
    repetitions: u32,
    most_in_flight: u32,
}

impl Budget {
    /// A budget of which nothing is spent.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { window_began: now, calls: 0, repetitions: 0, most_in_flight: 0 }
    }

    /// A call began while so many were in flight, itself included.
    pub fn call_began(&mut self, in_flight: u32, now: Timestamp) {
        self.roll(now);
        self.calls = self.calls.saturating_add(1);
        self.most_in_flight = self.most_in_flight.max(in_flight);
    }

    /// Whether a lost call may be repeated at once; if not, it should wait a little first.
    pub fn repeat_at_once(&mut self, now: Timestamp) -> bool {
        self.roll(now);
        let limit = (self.calls / 5).max(self.most_in_flight).max(SMALLEST);
        let allowed = self.repetitions < limit;
        self.repetitions = self.repetitions.saturating_add(u32::from(allowed));
        allowed
    }

    fn roll(&mut self, now: Timestamp) {
        if now.since(self.window_began) >= WINDOW {
            // What was in flight then may be lost now: the floor outlives one window.
            *self = Self { most_in_flight: self.most_in_flight / 2, ..Self::new(now) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_that_loses_every_call_in_flight_delays_none_of_them() {
        let now = Timestamp::from_seconds(1);
        let mut budget = Budget::new(now);
        for in_flight in 1..=500 {
            budget.call_began(in_flight, now);
        }
        assert!((0..500).all(|_| budget.repeat_at_once(now)));
        assert!(!budget.repeat_at_once(now), "the same calls, lost again and again, are paced");
        assert!(budget.repeat_at_once(now.plus(WINDOW)));
    }
}
