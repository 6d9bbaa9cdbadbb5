//! What each kind of evidence means: answers, failures, silence.

use std::time::Duration;

use evergate_model::Timestamp;

use super::Standing;
use crate::engine::silence::Overdue;
use crate::engine::{Cause, Change, Failure, Settings, State};

impl Standing {
    /// It answered a call before it was overdue.
    pub(in crate::engine) fn answered(
        &mut self,
        started: Timestamp,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Change> {
        self.silence.answered_in_time();
        self.answers_in_time = true;
        self.alive(started, settings, now)
    }

    /// It answered something that began at `started`.
    pub(in crate::engine) fn alive(
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
    pub(in crate::engine) fn beat_answered(
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
    pub(in crate::engine) fn failed(
        &mut self,
        failure: Failure,
        started: Timestamp,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Change> {
        match failure {
            // Who asks a member that is down gets a new connection.
            Failure::Refused | Failure::Reset if started < self.fell.min(self.reborn) => None,
            Failure::Refused => self.fall(Cause::Refused, settings, now),
            Failure::Reset => self.fall(Cause::Reset, settings, now),
            _ if started < self.reborn => None,
            Failure::Busy => {
                self.heard(now);
                None
            }
            Failure::TimedOut if self.silence.is_unbroken_since(started) => {
                self.call_timed_out = true;
                self.doubt(Cause::TimedOut, settings, now)
            }
            // It answered others meanwhile.
            Failure::TimedOut => self.overdue(started, settings, now),
        }
    }

    /// A call that began at `started` waits for longer than its caller likes.
    pub(in crate::engine) fn overdue(
        &mut self,
        started: Timestamp,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Change> {
        if started < self.rose {
            return None;
        }
        self.answers_in_time = false;
        match self.silence.overdue(started, settings) {
            Overdue::Nothing => None,
            Overdue::Silent => self.doubt(Cause::Overdue, settings, now),
            Overdue::Slow => {
                self.leave_for_a_while(settings, now);
                None
            }
        }
    }

    /// It left a heartbeat unanswered.
    pub(in crate::engine) fn missed(&mut self, settings: &Settings, now: Timestamp) -> Option<Change> {
        self.misses = self.misses.saturating_add(1);
        self.doubt(Cause::Unanswered, settings, now)
    }

    /// It said that it stops.
    pub(in crate::engine) fn said_draining(&mut self, now: Timestamp) -> Option<Change> {
        self.heard(now);
        match self.state {
            State::Draining | State::Down => None,
            State::Up | State::Suspect => {
                self.planned = true;
                self.turn(State::Draining, Cause::Draining, now)
            }
        }
    }
}
