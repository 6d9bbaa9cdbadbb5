//! What is known of one member. `evidence.rs` says what each kind of evidence means, `moves.rs`
//! how a member moves from state to state, and what that costs it.

mod evidence;
mod moves;

use evergate_model::Timestamp;

use super::record::Record;
use super::silence::Silence;
use super::{Cause, Member, Settings, State};

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
    /// It was last suspected because its calls were overdue: having risen since, it is slow as well.
    seemed_slow: bool,
    /// The last call that was answered in time or overdue was answered in time.
    answers_in_time: bool,
    silence: Silence,
    falls: Record,
    doubts: Record,
    misses: u32,
    call_timed_out: bool,
    /// It said that it stops, so that going down carries no penalty.
    planned: bool,
    /// When it last became down: a connection that broke under a call from before is not the one that
    /// it has now.
    fell: Timestamp,
    /// When it last rose from being down: what it did to calls from before tells of an earlier life.
    reborn: Timestamp,
    /// When it last rose from being suspect or down: silence from before is silence that has ended.
    rose: Timestamp,
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
            seemed_slow: false,
            answers_in_time: true,
            silence: Silence::new(),
            falls: Record::default(),
            doubts: Record::default(),
            misses: 0,
            call_timed_out: false,
            planned: false,
            fell: Timestamp::MIN,
            reborn: Timestamp::MIN,
            rose: Timestamp::MIN,
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

    /// Whether it is not preferred at `now` although it is up.
    pub(super) fn is_held_at(&self, now: Timestamp) -> bool {
        self.state == State::Up && now < self.held_until
    }

    /// Whether that is because its calls were overdue, suspicious though it may have been.
    pub(super) fn is_held_for_slowness_at(&self, now: Timestamp) -> bool {
        self.is_slow_at(now) || (self.seemed_slow && self.is_held_at(now))
    }

    /// Whether it is up and, as far as is known, answers in time. One that is slow is asked now and
    /// then all the same: by the first answer in time it is known to be well, though it is not yet
    /// preferred.
    pub(super) fn is_well_at(&self, now: Timestamp) -> bool {
        self.state == State::Up && (self.answers_in_time || !self.is_slow_at(now))
    }

    /// Whether it is left alone at `now` because its calls were overdue.
    pub(super) fn is_slow_at(&self, now: Timestamp) -> bool {
        self.state == State::Up && self.slow.is_some_and(|(until, _)| now < until)
    }
}
