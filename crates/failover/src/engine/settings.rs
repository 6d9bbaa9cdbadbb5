//! The numbers of a pool, each with its reason. docs/failover.md lists them.

use std::time::Duration;

/// How patient a pool is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether somebody sends heartbeats. Without them a member that is suspect or down is tried
    /// with one call when its hold-down is over.
    pub heartbeats: bool,
    /// So many missed heartbeats and a call that timed out make a member down (design.md section 5:
    /// three).
    pub misses: u32,
    /// So many overdue calls make a member suspect of which nothing else was heard either. Two,
    /// where heartbeats show a hang as well: one alone may be a slow disk. One, where nothing else
    /// would.
    pub silent_calls: u32,
    /// So many overdue calls in a row make a member slow that answers other things: not preferred
    /// for a while. Three: at 200 calls a second they come within 20 ms.
    pub slow_calls: u32,
    /// A member that was down must be steady for so long before it is preferred again (design.md
    /// section 5: 10 s), doubling for one that keeps failing.
    pub hold: Duration,
    /// The same for a member that was only suspect, or slow.
    pub hold_suspect: Duration,
    /// The longest hold-down (design.md section 5: 5 min).
    pub hold_longest: Duration,
    /// A member that stays up for so long has its earlier falls forgotten: twice the longest
    /// hold-down, so that one that falls whenever it is preferred again is not forgiven.
    pub forget_after: Duration,
    /// A member that was preferred for so long without being suspect or slow has that forgotten.
    pub forget_doubts_after: Duration,
}

impl Default for Settings {
    /// For internal links, which have heartbeats.
    fn default() -> Self {
        Self {
            heartbeats: true,
            misses: 3,
            silent_calls: 2,
            slow_calls: 3,
            hold: Duration::from_secs(10),
            hold_suspect: Duration::from_secs(1),
            hold_longest: Duration::from_secs(300),
            forget_after: Duration::from_secs(600),
            forget_doubts_after: Duration::from_secs(60),
        }
    }
}

impl Settings {
    /// For application servers, which are known by the outcomes of calls alone.
    #[must_use]
    pub fn without_heartbeats() -> Self {
        Self { heartbeats: false, silent_calls: 1, ..Self::default() }
    }
}
