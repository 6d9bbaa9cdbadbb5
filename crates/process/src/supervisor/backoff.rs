//! How long to wait before a child that ended is started again: pure.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);
/// One that lived so long has recovered.
const LIVED: Duration = Duration::from_secs(5);

/// The pause before the next start: none at first, then 100 ms, doubled up to 1 s.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    pause: Duration,
}

impl Backoff {
    /// The pause after a child that lived so long.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= LIVED {
            self.pause = Duration::ZERO;
        }
        let pause = self.pause;
        self.pause = (pause * 2).clamp(FIRST, LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_at_once_and_pauses_stop_growing_at_a_second() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..7).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.after(Duration::from_secs(60)), Duration::ZERO);
    }
}
