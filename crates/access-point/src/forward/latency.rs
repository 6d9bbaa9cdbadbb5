//! How long an application takes to begin its answers, and so how long is long: from here on a
//! server is doubted, and a second one may be asked as well.
//!
//! Counted in buckets that all serving threads share; told on every answer, so it costs one
//! addition there.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Nobody is doubted sooner.
const SHORTEST: Duration = Duration::from_millis(300);
/// Nobody is waited for longer before being doubted, however slow the application is.
const LONGEST: Duration = Duration::from_secs(30);
/// So many times the usual is long.
const TIMES: u32 = 4;
/// All that is shorter than this many milliseconds is equally short: four times as much is still
/// less than [`SHORTEST`].
const SHORT: u64 = 64;
/// Quarters of the octaves from [`SHORT`] on, up to 16 s, and one bucket for all that is short.
const BUCKETS: usize = 1 + 4 * 8;
/// So many answers are remembered in full; then each counts half as much as a new one.
const REMEMBERED: u32 = 1000;
/// One request in so many may be sent to a second server although the first one lives.
const HEDGED: u32 = 20;

/// What is known of the answers of one application.
#[derive(Debug)]
pub(crate) struct Latency {
    buckets: [AtomicU32; BUCKETS],
    patience: AtomicU64,
    usual: AtomicU64,
    recent: AtomicU32,
    hedges: AtomicU32,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU32::new(0) }; BUCKETS],
            patience: AtomicU64::new(0),
            usual: AtomicU64::new(0),
            recent: AtomicU32::new(0),
            hedges: AtomicU32::new(0),
        }
    }
}

impl Latency {
    /// An answer began after so long.
    pub(crate) fn note(&self, took: Duration) {
        if let Some(bucket) = self.buckets.get(bucket_of(took)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How long one request is waited for: four times what all but a hundredth take.
    #[must_use]
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed)).clamp(SHORTEST, LONGEST)
    }

    /// How long is long for most requests: where a few are slow by nature, the others tell sooner
    /// that a server hangs.
    #[must_use]
    pub(crate) fn usual(&self) -> Duration {
        Duration::from_millis(self.usual.load(Ordering::Relaxed)).clamp(SHORTEST, LONGEST)
    }

    /// Whether one more request may be sent to a second server although the first one lives; notes
    /// that it is.
    pub(crate) fn may_hedge(&self) -> bool {
        let limit = (self.recent.load(Ordering::Relaxed) / HEDGED).max(1);
        let more = |hedges: u32| (hedges < limit).then_some(hedges + 1);
        self.hedges.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Takes stock; to be called every second. What is known stays known where nothing new came.
    pub(crate) fn roll(&self) {
        let counts = self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed));
        let total: u32 = counts.iter().fold(0, |total, count| total.saturating_add(*count));
        self.recent.store(total, Ordering::Relaxed);
        self.hedges.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |hedges| Some(hedges / 2)).ok();
        if total == 0 {
            return;
        }
        // One that was slow by chance, as the first one often is, tells nothing.
        let slowest = (total / 100).max(u32::from(total > 1));
        self.patience.store(TIMES_MS * reached(&counts, total - slowest), Ordering::Relaxed);
        self.usual.store(TIMES_MS * reached(&counts, total.div_ceil(2)), Ordering::Relaxed);
        if total >= REMEMBERED {
            for (bucket, seen) in self.buckets.iter().zip(counts) {
                bucket.fetch_sub(seen.div_ceil(2), Ordering::Relaxed);
            }
        }
    }
}

const TIMES_MS: u64 = TIMES as u64;

fn bucket_of(took: Duration) -> usize {
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if milliseconds < SHORT {
        return 0;
    }
    let octave = milliseconds.ilog2();
    let quarter = (milliseconds >> (octave - 2)) & 3;
    let bucket = 1 + 4 * u64::from(octave - SHORT.ilog2()) + quarter;
    usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The longest time in a bucket, in milliseconds.
fn end_of(bucket: usize) -> u64 {
    let Some(above) = bucket.checked_sub(1) else { return SHORT };
    let (octave, quarter) = (above / 4 + 6, above % 4);
    (quarter as u64 + 5) << (octave - 2)
}

/// By when so many of the answers had begun.
fn reached(counts: &[u32; BUCKETS], wanted: u32) -> u64 {
    let mut seen = 0_u32;
    let reached = counts.iter().position(|count| {
        seen = seen.saturating_add(*count);
        seen >= wanted
    });
    end_of(reached.unwrap_or(BUCKETS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(latencies: &[(usize, u64)]) -> Latency {
        let latency = Latency::default();
        for (times, milliseconds) in latencies {
            for _ in 0..*times {
                latency.note(Duration::from_millis(*milliseconds));
            }
        }
        latency.roll();
        latency
    }

    #[test]
    fn every_time_lies_in_a_bucket_that_is_at_most_a_quarter_longer() {
        for milliseconds in (0..16_000).step_by(7) {
            let end = end_of(bucket_of(Duration::from_millis(milliseconds)));
            assert!(milliseconds < end, "{milliseconds} {end}");
            assert!(end == SHORT || end <= milliseconds + milliseconds / 4 + 1, "{milliseconds} {end}");
        }
        assert_eq!(bucket_of(Duration::from_secs(3600)), BUCKETS - 1);
    }

    #[test]
    fn a_fast_application_is_doubted_after_300_ms_and_a_slow_one_after_four_times_its_slowness() {
        assert_eq!(Latency::default().patience(), SHORTEST);
        assert_eq!(noted(&[(500, 3)]).patience(), SHORTEST);
        let slow = noted(&[(500, 1000)]).patience();
        assert!(Duration::from_secs(4) <= slow && slow <= Duration::from_secs(5), "{slow:?}");
        assert_eq!(noted(&[(500, 60_000)]).patience(), LONGEST);
    }

    #[test]
    fn a_single_slow_answer_tells_nothing_and_a_slow_few_do_not_hide_the_usual() {
        assert_eq!(noted(&[(20, 3), (1, 5000)]).patience(), SHORTEST);
        let mixed = noted(&[(97, 3), (3, 10_000)]);
        assert_eq!(mixed.patience(), LONGEST);
        assert_eq!(mixed.usual(), SHORTEST);
    }

    #[test]
    fn what_is_known_stays_known_while_nothing_comes_and_is_forgotten_when_other_things_do() {
        let latency = noted(&[(1000, 1000)]);
        let slow = latency.patience();
        for _ in 0..10 {
            latency.roll();
        }
        assert_eq!(latency.patience(), slow);
        for _ in 0..12 {
            for _ in 0..1000 {
                latency.note(Duration::from_millis(1));
            }
            latency.roll();
        }
        assert_eq!(latency.patience(), SHORTEST);
    }

    #[test]
    fn a_twentieth_of_the_requests_may_be_sent_twice() {
        let latency = noted(&[(200, 1)]);
        assert_eq!((0..100).filter(|_| latency.may_hedge()).count(), 10);
        latency.roll();
        assert_eq!((0..100).filter(|_| latency.may_hedge()).count(), 5);
    }
}
