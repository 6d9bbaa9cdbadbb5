//! What a caller says of its call: what repeating it would do, how long it may take, and how long
//! one member is waited for before another is asked as well.

use std::time::Duration;

/// How long a member takes to hear of a second answer and to make its own of it.
const RELAY: Duration = Duration::from_millis(100);

/// What kind of call it is: whether it may be made again after it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// It changes nothing.
    Read,
    /// It carries an effect key: made twice, it has its effect once.
    Write,
    /// It must not be made again once it may have reached a handler.
    Once,
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallOptions {
    /// Whether it may be made again.
    pub kind: CallKind,
    /// How long it may take, all attempts together.
    pub deadline: Duration,
    /// How long one member may be silent before another is asked as well, while the first may
    /// still answer. `None`: as long as the deadline. [`CallKind::Once`] knows no patience.
    pub patience: Option<Duration>,
}

impl CallOptions {
    /// A read that may take 2 s. 150 ms are 30 times what a decision takes, and leave room for two
    /// members in half a second.
    pub const READ: Self = Self {
        kind: CallKind::Read,
        deadline: Duration::from_secs(2),
        patience: Some(Duration::from_millis(150)),
    };
    /// A write with an effect key that may take 2 s. 300 ms: it waits for a disk.
    pub const WRITE: Self = Self {
        kind: CallKind::Write,
        deadline: Duration::from_secs(2),
        patience: Some(Duration::from_millis(300)),
    };
    /// A step of signing in, which may have to wait in the queue for hashing passwords.
    pub const SIGN_IN: Self = Self {
        kind: CallKind::Write,
        deadline: Duration::from_secs(10),
        patience: Some(Duration::from_secs(1)),
    };
    /// What must not be made again once it may have reached a handler, and may take 2 s.
    pub const ONCE: Self = Self { kind: CallKind::Once, deadline: Duration::from_secs(2), patience: None };

    /// The same with another deadline.
    #[must_use]
    pub const fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The same with another patience.
    #[must_use]
    pub const fn with_patience(self, patience: Option<Duration>) -> Self {
        Self { patience, ..self }
    }

    /// The same for a member that makes such a call itself before it answers: it is left the time to
    /// ask a second one, so that a hang behind it is answered once, and not blamed on it.
    #[must_use]
    pub fn relayed(self) -> Self {
        Self { patience: self.patience.map(|patience| patience + RELAY), ..self }
    }

    /// How long one member is waited for before another is asked as well.
    pub(super) const fn patience(self) -> Option<Duration> {
        match self.kind {
            CallKind::Once => None,
            CallKind::Read | CallKind::Write => self.patience,
        }
    }
}
