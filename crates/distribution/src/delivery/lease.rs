//! How long what was leased is this instance's to send.

use std::time::Duration;

use evergate_model::Timestamp;
use evergate_process::Clock;

/// The last part of a lease is not used: what is handed over in it might not be written down before
/// another instance may send.
const MARGIN: Duration = Duration::from_secs(5);

/// A lease, asked again just before a message is handed over: an instance that hung since it began
/// the dialogue must leave the message to whoever leased it meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    clock: Clock,
    until: Timestamp,
}

impl Lease {
    pub(super) const fn until(clock: Clock, until: Timestamp) -> Self {
        Self { clock, until }
    }

    /// Whether it lasts so long from now on.
    pub(super) fn lasts(&self, time: Duration) -> bool {
        self.clock.now().plus(time) <= self.until
    }

    /// Whether a message may be handed over now.
    pub(super) fn allows_handing_over(&self) -> bool {
        self.lasts(MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use evergate_process::clock::ManualClock;

    use super::*;

    #[test]
    fn whoever_wakes_late_may_hand_nothing_over() {
        let start = Timestamp::from_seconds(1_800_000_000);
        let hands = ManualClock::new(start);
        let lease = Lease::until(hands.clock(), start.plus(Duration::from_secs(60)));
        assert!(lease.lasts(Duration::from_secs(60)) && lease.allows_handing_over());
        hands.advance(Duration::from_secs(55));
        assert!(lease.allows_handing_over());
        hands.advance(Duration::from_secs(1));
        assert!(!lease.allows_handing_over());
    }
}
