//! What happened in a world, in order: what the invariants are checked against, what two runs of one
//! seed must agree in, and what a failing seed prints.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard};

use evergate_failover::engine::{Cause, State};
use evergate_failover::shell::CallKind;

use super::Ms;
use super::faults::Spell;

/// The most members a pool has here.
pub const MOST: usize = 3;

/// How a dial, a heartbeat or an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Answered; a write with what it did.
    Answered(u64),
    /// Answered, but not with what was wanted.
    Draining,
    Busy,
    Unable,
    Refused,
    /// The connection broke before it was used.
    Unsent,
    /// The connection broke.
    Reset,
    /// Nobody waits for it any more.
    Left,
}

impl End {
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Answered(_) | Self::Draining | Self::Busy | Self::Unable)
    }
    pub const fn is_dead(self) -> bool {
        matches!(self, Self::Refused | Self::Unsent | Self::Reset)
    }
}

/// What a caller asks a member for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Dial,
    Beat,
    /// Which call, and its how manieth attempt.
    Call(usize, usize),
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Answered(u64),
    /// The service's own error: nobody answers one here, so it is a lie of the pool's.
    Error,
    Lost,
    NoAnswer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Begins(Spell),
    Ends(Spell),
    /// A pool was made.
    Made {
        caller: usize,
    },
    Called {
        caller: usize,
        call: usize,
        kind: CallKind,
    },
    /// A member was chosen for a call; with what the pool knew then. The call is made there unless its
    /// budget is spent, and once there is a connection.
    Picked {
        caller: usize,
        call: usize,
        member: usize,
        tried: [bool; MOST],
        known: [Known; MOST],
    },
    Asked {
        caller: usize,
        member: usize,
        asked: Asked,
    },
    Ended {
        caller: usize,
        member: usize,
        asked: Asked,
        since: Ms,
        end: End,
    },
    Done {
        caller: usize,
        call: usize,
        done: Done,
    },
    Changed {
        caller: usize,
        member: usize,
        from: State,
        to: State,
        cause: Cause,
    },
    FailedOver {
        caller: usize,
        from: usize,
        to: usize,
        cause: Cause,
    },
    /// A member did what a call wants.
    Took {
        member: usize,
        call: usize,
        outcome: u64,
    },
}

/// What a pool says of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub state: State,
    pub is_held: bool,
    /// Its calls are not overdue again and again.
    pub is_well: bool,
}

/// The entries of one run.
#[derive(Debug, Default)]
pub struct Record(Mutex<Vec<(Ms, Entry)>>);

impl Record {
    pub fn add(&self, at: Ms, entry: Entry) {
        self.entries().push((at, entry));
    }

    pub fn entries(&self) -> MutexGuard<'_, Vec<(Ms, Entry)>> {
        self.0.lock().unwrap()
    }
}

/// The entries as text, for whoever has to understand a failing seed: without the heartbeats that
/// were answered.
pub fn told(entries: &[(Ms, Entry)]) -> String {
    let mut text = String::new();
    for (at, entry) in entries {
        let is_dull = match entry {
            Entry::Asked { asked: Asked::Beat | Asked::Dial, .. } => true,
            Entry::Ended { asked: Asked::Beat | Asked::Dial, end, .. } => matches!(end, End::Answered(_)),
            _ => false,
        };
        if !is_dull {
            writeln!(text, "{at:>6} ms  {entry:?}").unwrap();
        }
    }
    text
}
