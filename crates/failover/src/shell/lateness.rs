//! Whether a timer of ours ran so late that what it says of others is worth nothing: on a busy
//! machine the watcher, too, can be slow.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Design.md section 5.
const LATE: Duration = Duration::from_millis(100);

/// Whether what was to happen at `due` happens, now, too late to blame anybody else.
pub(super) fn is_late_for(due: Instant) -> bool {
    due.elapsed() >= LATE
}

/// Between two beats of the pulse.
const BEAT: Duration = Duration::from_millis(50);

/// A timer of the pool's own that runs all the time, so that it is known whether the caller got no
/// processor lately. The timer that somebody's silence is measured by does not show it: of a stall
/// of 300 ms, one that was due in its middle is 150 ms late, and one that was due just before its end
/// not at all, though nobody could have been heard.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<Felt>);

#[derive(Debug, Default)]
struct Felt {
    /// The last beat; none while nobody runs it.
    last: Option<Instant>,
    /// When a beat last came too late.
    back: Option<Instant>,
}

impl Pulse {
    /// Beats for as long as it is polled.
    pub(super) async fn run(&self) {
        let _stops = Stops(self);
        loop {
            {
                let mut felt = self.lock();
                let now = Instant::now();
                if felt.is_missing(now) {
                    felt.back = Some(now);
                }
                felt.last = Some(now);
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Whether the caller is away just now, or was until so short a while ago that what was said to it
    /// meanwhile may not have been heard yet.
    pub(super) fn was_away(&self) -> bool {
        let (felt, now) = (self.lock(), Instant::now());
        felt.is_missing(now) || felt.back.is_some_and(|back| now - back < LATE)
    }

    fn lock(&self) -> MutexGuard<'_, Felt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Felt {
    fn is_missing(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now - last >= BEAT + LATE)
    }
}

/// A pulse that nobody runs tells nothing.
struct Stops<'a>(&'a Pulse);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        *self.0.lock() = Felt::default();
    }
}
