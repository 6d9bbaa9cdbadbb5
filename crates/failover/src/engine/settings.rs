//! The numbers of a pool, each with its source.

use std::time::Duration;

/// How patient a pool is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether somebody sends heartbeats. Without them a member that is down is tried with one
    /// call when its hold-down is over.
    pub heartbeats: bool,
    /// So many missed heartbeats and a call that timed out make a member down.
    pub misses: u32,
    /// A member that was down must be steady for so long before it is preferred again (design.md
    /// section 5: 10 s), doubling for one that keeps failing.
    pub hold: Duration,
    /// The same for a member that was only suspect.
    pub hold_suspect: Duration,
    /// The longest hold-down (design.md section 5: 5 min).
    pub hold_longest: Duration,
    /// A member that stays up for so long has its earlier failures forgotten.
    pub forget_after: Duration,
}

impl Default for Settings {
    /// For internal links, which have heartbeats.
    fn default() -> Self {
        Self {
            heartbeats: true,
            misses: 3,
            hold: Duration::from_secs(10),
            hold_suspect: Duration::from_secs(1),
            hold_longest: Duration::from_secs(300),
            forget_after: Duration::from_secs(600),
        }
    }
}

impl Settings {
    /// For application servers, which are known by the outcomes of calls alone.
    #[must_use]
    pub fn without_heartbeats() -> Self {
        Self { heartbeats: false, ..Self::default() }
    }
}
