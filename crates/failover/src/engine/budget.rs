//! How many calls may be repeated, or asked a second time, at once, so that neither multiplies an
//! overload.

use std::collections::BTreeMap;
use std::time::Duration;

use evergate_model::Timestamp;

use super::MemberId;

const WINDOW: Duration = Duration::from_secs(1);

/// Which share of the calls may be made again at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Of a hundred calls so many may be asked a second time although their member is not under
    /// suspicion (design.md section 5: 5).
    pub hedges: u32,
    /// Of a hundred calls so many may be repeated after they were sent.
    pub retries: u32,
    /// So many of each are allowed in any second: a pool with few calls needs them, and they are no
    /// load.
    pub smallest: u32,
}

impl Default for Shares {
    fn default() -> Self {
        Self { hedges: 5, retries: 20, smallest: 10 }
    }
}

/// What was done in one window of time.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    calls: u32,
    most_in_flight: u32,
    hedges: u32,
    retries: u32,
}

/// Counts hedges (a second question beside a first that may still be answered) and retries
/// (repetitions of what was lost after it was sent, or whose member is under suspicion). Those that
/// never reached a handler cost nothing. What exceeds the share of calls is paced, never forbidden;
/// the floor of both is the number of calls in flight, so that a crash or a hang which holds all of
/// them delays none. Hedges have none at a member that is slow itself or says that it is busy: one in a
/// second, beyond the share.
#[derive(Debug, Clone)]
pub struct Budget {
    shares: Shares,
    in_flight: u32,
    began: Timestamp,
    calls_before: u32,
    now: Window,
    /// Who said lately that it is busy, and until when that counts.
    busy: BTreeMap<MemberId, Timestamp>,
}

impl Budget {
    /// A budget of which nothing is spent.
    #[must_use]
    pub const fn new(shares: Shares, now: Timestamp) -> Self {
        let window = Window { calls: 0, most_in_flight: 0, hedges: 0, retries: 0 };
        Self { shares, in_flight: 0, began: now, calls_before: 0, now: window, busy: BTreeMap::new() }
    }

    /// A call began; [`Budget::call_ended`] follows.
    pub fn call_began(&mut self, now: Timestamp) {
        self.roll(now);
        self.in_flight = self.in_flight.saturating_add(1);
        self.now.calls = self.now.calls.saturating_add(1);
        self.now.most_in_flight = self.now.most_in_flight.max(self.in_flight);
    }

    /// A call ended.
    pub const fn call_ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The calls that wait for an answer now.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// That member said that it is busy.
    pub fn said_busy(&mut self, member: &MemberId, now: Timestamp) {
        self.busy.retain(|_, until| now < *until);
        self.busy.insert(member.clone(), now.plus(WINDOW));
    }

    /// Whether it said so within the last second.
    #[must_use]
    pub fn is_busy(&self, member: &MemberId, now: Timestamp) -> bool {
        self.busy.get(member).is_some_and(|until| now < *until)
    }

    /// Whether a call may be repeated at once; if not, it should wait a little first.
    pub fn retry(&mut self, now: Timestamp) -> bool {
        self.roll(now);
        let limit = self.share(self.shares.retries).max(self.now.most_in_flight).max(self.shares.smallest);
        let allowed = self.now.retries < limit;
        self.now.retries = self.now.retries.saturating_add(u32::from(allowed));
        allowed
    }

    /// Whether a call may be asked a second time while the first may still be answered; if not, it
    /// should wait a little first. Without a reason to think that the second does better
    /// (`is_promising`: it is neither slow nor busy) there is no floor: when everybody is slow, they
    /// are so for load. One in a second is no load, and keeps a pool with few calls from having none.
    pub fn hedge(&mut self, is_promising: bool, now: Timestamp) -> bool {
        self.roll(now);
        let floor = if is_promising { self.now.most_in_flight.max(self.shares.smallest) } else { 1 };
        let allowed = self.now.hedges < self.share(self.shares.hedges).max(floor);
        self.now.hedges = self.now.hedges.saturating_add(u32::from(allowed));
        allowed
    }

    /// So many percent of the calls of this window, or of the one before while this is young.
    fn share(&self, percent: u32) -> u32 {
        let calls = u64::from(self.now.calls.max(self.calls_before));
        u32::try_from(calls.saturating_mul(u64::from(percent)) / 100).unwrap_or(u32::MAX)
    }

    fn roll(&mut self, now: Timestamp) {
        let passed = now.since(self.began);
        if passed >= WINDOW {
            self.calls_before = if passed < 2 * WINDOW { self.now.calls } else { 0 };
            self.now = Window { most_in_flight: self.in_flight, ..Window::default() };
            self.began = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1);

    fn with_in_flight(calls: u32) -> Budget {
        let mut budget = Budget::new(Shares::default(), NOW);
        (0..calls).for_each(|_| budget.call_began(NOW));
        budget
    }

    #[test]
    fn a_crash_that_loses_every_call_in_flight_delays_none_of_them() {
        let mut budget = with_in_flight(500);
        assert!((0..500).all(|_| budget.retry(NOW)));
        assert!(!budget.retry(NOW), "the same calls, lost again and again, are paced");
        assert!(budget.retry(NOW.plus(WINDOW)));
    }

    #[test]
    fn a_hang_that_holds_every_call_in_flight_delays_none_of_them() {
        let mut budget = with_in_flight(500);
        assert!((0..500).all(|_| budget.hedge(true, NOW)));
        assert!(!budget.hedge(true, NOW));
    }

    #[test]
    fn of_many_quick_calls_one_in_twenty_may_be_hedged_and_one_in_five_repeated() {
        let mut budget = Budget::new(Shares::default(), NOW);
        for _ in 0..1000 {
            budget.call_began(NOW);
            budget.call_ended();
        }
        assert_eq!(budget.in_flight(), 0);
        assert_eq!((0..1000).filter(|_| budget.hedge(true, NOW)).count(), 50);
        assert_eq!((0..1000).filter(|_| budget.retry(NOW)).count(), 200);
        let next = NOW.plus(WINDOW);
        assert_eq!((0..1000).filter(|_| budget.hedge(true, next)).count(), 50, "of the window before");
        let later = NOW.plus(4 * WINDOW);
        assert_eq!((0..1000).filter(|_| budget.hedge(true, later)).count(), 10);
    }

    #[test]
    fn who_said_that_it_is_busy_counts_as_busy_for_a_second_and_nobody_else_does() {
        let mut budget = with_in_flight(1);
        budget.said_busy(&"a".into(), NOW);
        assert!(budget.is_busy(&"a".into(), NOW.plus(WINDOW.mul_f32(0.9))));
        assert!(!budget.is_busy(&"b".into(), NOW));
        assert!(!budget.is_busy(&"a".into(), NOW.plus(WINDOW)));
    }

    #[test]
    fn at_one_that_is_busy_or_slow_hedges_have_no_floor() {
        let mut budget = with_in_flight(100);
        assert_eq!((0..100).filter(|_| budget.hedge(false, NOW)).count(), 5);
        assert!(budget.hedge(true, NOW), "at one that is not");
        assert!((0..100).all(|_| budget.retry(NOW)), "what was lost is repeated all the same");
    }

    #[test]
    fn a_pool_with_few_calls_may_ask_one_that_is_busy_or_slow_once_in_a_second() {
        let mut budget = with_in_flight(2);
        assert_eq!((0..100).filter(|_| budget.hedge(false, NOW)).count(), 1);
        assert!(budget.hedge(false, NOW.plus(WINDOW)));
    }

    #[test]
    fn the_calls_in_flight_are_counted() {
        let mut budget = with_in_flight(3);
        assert_eq!(budget.in_flight(), 3);
        budget.call_ended();
        assert_eq!(budget.in_flight(), 2);
    }

    #[test]
    fn calls_that_still_wait_are_the_floor_of_the_next_window_too() {
        let mut budget = with_in_flight(500);
        let next = NOW.plus(WINDOW);
        assert_eq!((0..1000).filter(|_| budget.hedge(true, next)).count(), 500);
    }

    #[test]
    fn two_seconds_later_the_calls_of_a_window_count_no_more() {
        let mut budget = Budget::new(Shares::default(), NOW);
        for _ in 0..1000 {
            budget.call_began(NOW);
            budget.call_ended();
        }
        assert_eq!((0..1000).filter(|_| budget.hedge(true, NOW.plus(2 * WINDOW))).count(), 10);
    }

    #[test]
    fn a_lonely_call_may_be_hedged_and_repeated() {
        let mut budget = with_in_flight(1);
        assert_eq!((0..100).filter(|_| budget.hedge(true, NOW)).count(), 10);
        assert_eq!((0..100).filter(|_| budget.retry(NOW)).count(), 10);
    }
}
