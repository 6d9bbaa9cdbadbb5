//! What is known of one member, and how each kind of evidence moves it.

use std::time::Duration;

use evergate_model::Timestamp;

use super::{Cause, Change, Failure, Member, Settings, State};

/// What is counted of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Calls that wait for an answer now.
    pub in_flight: u32,
    /// Calls answered.
    pub answered: u64,
    /// Calls that ended without an answer.
    pub failed: u64,
}

/// A member with everything that is known of it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) member: Member,
    pub(super) state: State,
    pub(super) since: Timestamp,
    pub(super) cause: Cause,
    pub(super) counts: Counts,
    /// When it first answered anything: before, nothing is known of it, and its absence is no fall.
    pub(super) proven_since: Option<Timestamp>,
    /// When the present trouble first showed.
    pub(super) trouble_since: Option<Timestamp>,
    /// It is not preferred before this moment, though it is up.
    pub(super) held_until: Timestamp,
    /// How often it fell within [`Settings::forget_after`].
    strikes: u32,
    misses: u32,
    call_timed_out: bool,
    /// It said that it stops, so that going down carries no penalty.
    planned: bool,
    /// When it last rose from being down: what began before tells of an earlier life.
    reborn: Timestamp,
    /// A member without heartbeats that is down may be tried with one call after this moment.
    try_after: Timestamp,
    trying: bool,
}

impl Standing {
    pub(super) fn new(member: Member, settings: &Settings, now: Timestamp) -> Self {
        Self {
            member,
            state: State::Up,
            since: now,
            cause: Cause::Configured,
            counts: Counts::default(),
            // Without heartbeats there is no way to prove itself but to be called.
            proven_since: (!settings.heartbeats).then_some(Timestamp::MIN),
            trouble_since: None,
            held_until: Timestamp::MIN,
            strikes: 0,
            misses: 0,
            call_timed_out: false,
            planned: false,
            reborn: Timestamp::MIN,
            try_after: Timestamp::MAX,
            trying: false,
        }
    }

    /// The same member under a new configuration.
    pub(super) fn configured_as(self, member: Member) -> Self {
        Self { member, ..self }
    }

    /// A call goes out. One to a member that is down is its trial: the next waits its turn.
    pub(super) fn start(&mut self, settings: &Settings, now: Timestamp) {
        self.counts.in_flight += 1;
        if self.is_due_for_trial(settings, now) {
            self.trying = true;
        }
    }

    pub(super) fn end_call(&mut self) {
        self.counts.in_flight = self.counts.in_flight.saturating_sub(1);
        if self.counts.in_flight == 0 {
            self.trying = false;
        }
    }

    pub(super) fn is_due_for_trial(&self, settings: &Settings, now: Timestamp) -> bool {
        !settings.heartbeats && self.state == State::Down && !self.trying && now >= self.try_after
    }

    /// It answered a call that began at `started`.
    pub(super) fn alive(
        &mut self,
        started: Timestamp,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Change> {
        self.misses = 0;
        let is_first = self.proven_since.is_none();
        self.proven_since.get_or_insert(now);
        match self.state {
            // A draining member answers until it ends; only a heartbeat says that it serves again.
            State::Up | State::Draining => None,
            // The answer may have been on its way when the member died.
            State::Down if started < self.since => None,
            // It was not ready yet when it was asked first.
            State::Suspect | State::Down if is_first => self.rise(Duration::ZERO, settings, now),
            State::Suspect => self.rise(settings.hold_suspect, settings, now),
            // Where nobody sends heartbeats, the wait before the trial was the hold-down.
            State::Down if !settings.heartbeats => self.rise(Duration::ZERO, settings, now),
            State::Down => self.rise(settings.hold, settings, now),
        }
    }

    /// It answered a heartbeat that was sent at `started`, as one that serves.
    pub(super) fn beat_answered(
        &mut self,
        started: Timestamp,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Change> {
        if self.state == State::Draining && started >= self.since {
            return self.rise(Duration::ZERO, settings, now);
        }
        self.alive(started, settings, now)
    }

    /// A call or heartbeat that began at `started` was not answered.
    pub(super) fn failed(
        &mut self,
        failure: Failure,
        started: Timestamp,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Change> {
        if started < self.reborn {
            return None;
        }
        match failure {
            Failure::Busy => {
                self.misses = 0;
                None
            }
            Failure::Refused => self.fall(Cause::Refused, settings, now),
            Failure::Reset => self.fall(Cause::Reset, settings, now),
            Failure::TimedOut => {
                self.call_timed_out = true;
                self.doubt(Cause::TimedOut, settings, now)
            }
        }
    }

    /// It left a heartbeat unanswered.
    pub(super) fn missed(&mut self, settings: &Settings, now: Timestamp) -> Option<Change> {
        self.misses = self.misses.saturating_add(1);
        self.doubt(Cause::Unanswered, settings, now)
    }

    /// It said that it stops.
    pub(super) fn said_draining(&mut self, now: Timestamp) -> Option<Change> {
        match self.state {
            State::Draining | State::Down => None,
            State::Up | State::Suspect => {
                self.planned = true;
                self.turn(State::Draining, Cause::Draining, now)
            }
        }
    }

    /// Suspect, or down if a call was left unanswered as well and the misses suffice.
    fn doubt(&mut self, cause: Cause, settings: &Settings, now: Timestamp) -> Option<Change> {
        if self.call_timed_out && self.misses >= settings.misses {
            return self.fall(cause, settings, now);
        }
        match self.state {
            State::Up => self.turn(State::Suspect, cause, now),
            State::Suspect | State::Draining | State::Down => None,
        }
    }

    fn fall(&mut self, cause: Cause, settings: &Settings, now: Timestamp) -> Option<Change> {
        if self.state == State::Down {
            // A failed trial: wait twice as long for the next.
            if now >= self.try_after {
                self.strike(settings, now);
            }
            return None;
        }
        if !self.planned && self.proven_since.is_some() {
            self.strike(settings, now);
        }
        self.try_after = now.plus(self.hold_of(settings.hold, settings));
        self.turn(State::Down, cause, now)
    }

    fn strike(&mut self, settings: &Settings, now: Timestamp) {
        let steady = self.state != State::Down && now.since(self.reborn) >= settings.forget_after;
        self.strikes = if steady { 1 } else { self.strikes.saturating_add(1) };
        self.try_after = now.plus(self.hold_of(settings.hold, settings));
    }

    /// Up again, but held down for `hold`, doubled for each earlier strike.
    fn rise(&mut self, hold: Duration, settings: &Settings, now: Timestamp) -> Option<Change> {
        let planned = std::mem::take(&mut self.planned);
        let hold = if planned { Duration::ZERO } else { self.hold_of(hold, settings) };
        self.held_until = self.held_until.max(now.plus(hold));
        if self.state == State::Down {
            self.reborn = now;
        }
        self.misses = 0;
        self.call_timed_out = false;
        self.trouble_since = None;
        self.turn(State::Up, Cause::Answered, now)
    }

    fn hold_of(&self, hold: Duration, settings: &Settings) -> Duration {
        let doublings = self.strikes.saturating_sub(1).min(16);
        hold.saturating_mul(1 << doublings).min(settings.hold_longest)
    }

    fn turn(&mut self, to: State, cause: Cause, now: Timestamp) -> Option<Change> {
        let lasted_ms = u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX);
        let change =
            Change { member: self.member.id.clone(), from: self.state, to, cause, at: now, lasted_ms };
        (self.state, self.since, self.cause) = (to, now, cause);
        if to != State::Up {
            self.trouble_since.get_or_insert(now);
        }
        Some(change)
    }
}
