//! What can happen to a pool.

use evergate_model::Timestamp;
use evergate_model::topology::Mode;

use super::{Member, MemberId};

/// How a call or a heartbeat ended without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No connection could be made.
    Refused,
    /// The connection died.
    Reset,
    /// No answer came in time.
    TimedOut,
    /// It answered that it is too busy: alive, and not down.
    Busy,
}

/// Something that happened. `started` is when the call or heartbeat began: what began before a
/// member last changed says nothing about what it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A call was given to a member; exactly one of [`Event::Answered`], [`Event::AnsweredLate`],
    /// [`Event::Failed`] and [`Event::Abandoned`] follows.
    Started {
        /// Whom.
        member: MemberId,
    },
    /// A call was answered, be it with an error of the application's.
    Answered {
        /// By whom.
        member: MemberId,
        /// When the call began.
        started: Timestamp,
    },
    /// A call was not answered.
    Failed {
        /// By whom.
        member: MemberId,
        /// When the call began.
        started: Timestamp,
        /// How it ended.
        failure: Failure,
    },
    /// A call has waited for longer than its caller likes; how it ended is still to be told.
    Overdue {
        /// For whose answer.
        member: MemberId,
        /// When the call began.
        started: Timestamp,
    },
    /// A call that was overdue was answered after all: alive, but slow.
    AnsweredLate {
        /// By whom.
        member: MemberId,
        /// When the call began.
        started: Timestamp,
    },
    /// The caller went away before an answer: says nothing about the member.
    Abandoned {
        /// Whom it had called.
        member: MemberId,
    },
    /// A heartbeat was answered.
    HeartbeatAnswered {
        /// By whom.
        member: MemberId,
        /// When it was sent.
        started: Timestamp,
    },
    /// A heartbeat was not answered in time.
    HeartbeatMissed {
        /// By whom.
        member: MemberId,
        /// Whether the watcher's own timer ran late, so that the miss says nothing.
        watcher_late: bool,
    },
    /// A heartbeat found no connection, or lost it.
    HeartbeatFailed {
        /// By whom.
        member: MemberId,
        /// When it was sent.
        started: Timestamp,
        /// [`Failure::Refused`] or [`Failure::Reset`].
        failure: Failure,
    },
    /// A member said that it is about to stop.
    SaidDraining {
        /// Who.
        member: MemberId,
    },
    /// The list of members is now this.
    Configured {
        /// All members.
        members: Vec<Member>,
        /// How callers use them.
        mode: Mode,
    },
    /// Time passed: a hold-down may be over.
    Tick,
}
