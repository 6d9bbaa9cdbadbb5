//! How a member moves from state to state, and what that costs it.

use std::time::Duration;

use evergate_model::Timestamp;

use super::Standing;
use crate::engine::silence::Silence;
use crate::engine::{Cause, Change, Settings, State};

impl Standing {
    /// Up, but not preferred for a while; one that is left already is not punished twice.
    pub(super) fn leave_for_a_while(&mut self, settings: &Settings, now: Timestamp) {
        if self.state != State::Up || self.is_slow_at(now) {
            return;
        }
        self.note_doubt(settings, now);
        let until = now.plus(self.doubts.wait(settings.hold_suspect, settings.hold_longest));
        self.held_until = self.held_until.max(until);
        self.slow = Some((until, self.silence.row_began()));
    }

    /// Suspect, or down if a call was left unanswered as well and the misses suffice.
    pub(super) fn doubt(&mut self, cause: Cause, settings: &Settings, now: Timestamp) -> Option<Change> {
        if self.call_timed_out && self.misses >= settings.misses {
            return self.fall(cause, settings, now);
        }
        match self.state {
            State::Up => {
                self.note_doubt(settings, now);
                self.seemed_slow = cause == Cause::Overdue;
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

    pub(super) fn fall(&mut self, cause: Cause, settings: &Settings, now: Timestamp) -> Option<Change> {
        if self.state == State::Down {
            self.fail_trial(settings, now);
            return None;
        }
        if !self.planned && self.proven_since.is_some() {
            self.note_fall(settings, now);
        }
        self.fell = now;
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
    pub(super) fn rise(&mut self, hold: Duration, now: Timestamp) -> Option<Change> {
        let hold = if std::mem::take(&mut self.planned) { Duration::ZERO } else { hold };
        self.held_until = self.held_until.max(now.plus(hold));
        if self.state == State::Down {
            self.reborn = now;
            // It was the process that ended which was slow.
            self.slow = None;
            self.seemed_slow = false;
        }
        self.rose = now;
        self.silence = Silence::new();
        self.silence.heard(now);
        self.trying = false;
        self.trouble_since = None;
        self.turn(State::Up, Cause::Answered, now)
    }

    pub(super) fn turn(&mut self, to: State, cause: Cause, now: Timestamp) -> Option<Change> {
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
