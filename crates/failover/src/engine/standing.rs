//! What is known of one member, and how each kind of evidence moves it.

use std::time::Duration;

use evergate_model::Timestamp;

use super::record::Record;
use super::silence::{Overdue, Silence};
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
    /// It is held until then because its calls were overdue, the first since the other moment.
    pub(super) slow: Option<(Timestamp, Timestamp)>,
    silence: Silence,
    falls: Record,
    doubts: Record,
    misses: u32,
    call_timed_out: bool,
    /// It said that it stops, so that going down carries no penalty.
    planned: bool,
    /// When it last rose from being down: what began before tells of an earlier life.
    reborn: Timestamp,
    /// A member without heartbeats that is not up may be tried with one call after this moment.
    try_after: Timestamp,
    /// That call is under way, or its outcome never became known.
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
            slow: None,
            silence: Silence::new(),
            falls: Record::default(),
            doubts: Record::default(),
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

    /// A call goes out. One to a member that is due for a trial is its trial: the next waits its
    /// turn.
    pub(super) fn start(&mut self, settings: &Settings, now: Timestamp) {
        self.counts.in_flight += 1;
        if self.is_due_for_trial(settings, now) {
            self.trying = true;
            self.try_after = now.plus(self.falls.wait(settings.hold, settings.hold_longest));
        }
    }

    pub(super) const fn end_call(&mut self) {
        self.counts.in_flight = self.counts.in_flight.saturating_sub(1);
    }

    pub(super) fn is_due_for_trial(&self, settings: &Settings, now: Timestamp) -> bool {
        let fell = matches!(self.state, State::Suspect | State::Down);
        !settings.heartbeats && fell && now >= self.try_after
    }

    /// Whether it is left alone at `now` because its calls were overdue.
    pub(super) fn is_slow_at(&self, now: Timestamp) -> bool {
        self.state == State::Up && self.slow.is_some_and(|(until, _)| now < until)
    }

    /// It answered a call before it was overdue.
    pub(super) fn answered(
        &mut self,
        started: Timestamp,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Change> {
        self.silence.answered_in_time();
        self.alive(started, settings, now)
    }

    /// It answered something that began at `started`.
    pub(super) fn alive(
        &mut self,
        started: Timestamp,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Change> {
        self.heard(now);
        let is_first = self.proven_since.is_none();
        self.proven_since.get_or_insert(now);
        match self.state {
            // A draining member answers until it ends; only a heartbeat says that it serves again.
            State::Up | State::Draining => None,
            // The answer may have been on its way when the member died.
            State::Down if started < self.since => None,
            // It was not ready yet when it was asked first.
            State::Suspect | State::Down if is_first => self.rise(Duration::ZERO, now),
            // Where nobody sends heartbeats, the wait before the trial was the hold-down.
            State::Suspect | State::Down if !settings.heartbeats && started >= self.since => {
                self.rise(Duration::ZERO, now)
            }
            State::Suspect => self.rise(self.doubts.wait(settings.hold_suspect, settings.hold_longest), now),
            State::Down => self.rise(self.falls.wait(settings.hold, settings.hold_longest), now),
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
            self.heard(now);
            return self.rise(Duration::ZERO, now);
        }
        self.alive(started, settings, now)
    }

    /// Whatever it answered, it lives.
    fn heard(&mut self, now: Timestamp) {
        self.silence.heard(now);
        self.misses = 0;
        self.call_timed_out = false;
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
                self.heard(now);
                None
            }
            Failure::Refused => self.fall(Cause::Refused, settings, now),
            Failure::Reset => self.fall(Cause::Reset, settings, now),
            Failure::TimedOut if self.silence.is_unbroken_since(started) => {
                self.call_timed_out = true;
                self.doubt(Cause::TimedOut, settings, now)
            }
            // It answered others meanwhile.
            Failure::TimedOut => self.overdue(started, settings, now),
        }
    }

    /// A call that began at `started` waits for longer than its caller likes.
    pub(super) fn overdue(
        &mut self,
        started: Timestamp,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Change> {
        if started < self.reborn {
            return None;
        }
        match self.silence.overdue(started, settings) {
            Overdue::Nothing => None,
            Overdue::Silent => self.doubt(Cause::Overdue, settings, now),
            Overdue::Slow => {
                self.leave_for_a_while(settings, now);
                None
            }
        }
    }

    /// Up, but not preferred for a while; one that is left already is not punished twice.
    fn leave_for_a_while(&mut self, settings: &Settings, now: Timestamp) {
        if self.state != State::Up || self.is_slow_at(now) {
            return;
        }
        self.note_doubt(settings, now);
        let until = now.plus(self.doubts.wait(settings.hold_suspect, settings.hold_longest));
        self.held_until = self.held_until.max(until);
        self.slow = Some((until, self.silence.row_began()));
    }

    /// It left a heartbeat unanswered.
    pub(super) fn missed(&mut self, settings: &Settings, now: Timestamp) -> Option<Change> {
        self.misses = self.misses.saturating_add(1);
        self.doubt(Cause::Unanswered, settings, now)
    }

    /// It said that it stops.
    pub(super) fn said_draining(&mut self, now: Timestamp) -> Option<Change> {
        self.heard(now);
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
            State::Up => {
                self.note_doubt(settings, now);
                if !settings.heartbeats {
                    self.note_fall(settings, now);
                }
                self.turn(State::Suspect, cause, now)
            }
            State::Suspect | State::Down => {
                self.fail_trial(settings, now);
                None
            }
            State::Draining => None,
        }
    }

    fn fall(&mut self, cause: Cause, settings: &Settings, now: Timestamp) -> Option<Change> {
        if self.state == State::Down {
            self.fail_trial(settings, now);
            return None;
        }
        if !self.planned && self.proven_since.is_some() {
            self.note_fall(settings, now);
        }
        self.trying = false;
        self.try_after = now.plus(self.falls.wait(settings.hold, settings.hold_longest));
        self.turn(State::Down, cause, now)
    }

    /// The call that tried it got no answer either: the next waits twice as long.
    fn fail_trial(&mut self, settings: &Settings, now: Timestamp) {
        if std::mem::take(&mut self.trying) {
            self.note_fall(settings, now);
        }
    }

    fn note_fall(&mut self, settings: &Settings, now: Timestamp) {
        let is_first = match self.state {
            State::Up => true,
            // Where nobody sends heartbeats, becoming suspect was a fall already.
            State::Suspect => settings.heartbeats,
            State::Draining | State::Down => false,
        };
        self.falls.note(is_first && now.since(self.reborn) >= settings.forget_after);
        self.try_after = now.plus(self.falls.wait(settings.hold, settings.hold_longest));
    }

    fn note_doubt(&mut self, settings: &Settings, now: Timestamp) {
        self.doubts.note(now >= self.held_until.plus(settings.forget_doubts_after));
    }

    /// Up again, but held down for `hold`.
    fn rise(&mut self, hold: Duration, now: Timestamp) -> Option<Change> {
        let hold = if std::mem::take(&mut self.planned) { Duration::ZERO } else { hold };
        self.held_until = self.held_until.max(now.plus(hold));
        if self.state == State::Down {
            self.reborn = now;
        }
        self.silence = Silence::new();
        self.silence.heard(now);
        self.trying = false;
        self.trouble_since = None;
        self.turn(State::Up, Cause::Answered, now)
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
