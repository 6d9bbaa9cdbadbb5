//! What overdue calls say of a member: silence is suspicious, a slow answer is not, but slow answers
//! in a row are a reason to call others first.

use evergate_model::Timestamp;

use super::Settings;

/// What follows from a call being overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Nothing yet.
    Nothing,
    /// Nothing at all was heard of it lately: it may hang, or be cut off.
    Silent,
    /// It shows signs of life, but its calls wait.
    Slow,
}

/// When a member was heard of, and which calls have waited since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    /// When an answer of any kind last came.
    heard: Timestamp,
    /// Overdue calls since then.
    unheard: u32,
    /// Overdue calls since one was last answered in time.
    in_a_row: u32,
    /// When the first of those in a row began.
    row_began: Timestamp,
}

impl Silence {
    /// Of a member of which nothing was heard.
    pub(super) const fn new() -> Self {
        Self { heard: Timestamp::MIN, unheard: 0, in_a_row: 0, row_began: Timestamp::MIN }
    }

    /// Something was answered.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.heard = self.heard.max(now);
        self.unheard = 0;
    }

    /// A call was answered before it was overdue.
    pub(super) const fn answered_in_time(&mut self) {
        self.in_a_row = 0;
    }

    /// Whether nothing was heard since `started`.
    pub(super) fn is_unbroken_since(&self, started: Timestamp) -> bool {
        self.heard < started
    }

    /// When the first of the overdue calls in a row began.
    pub(super) const fn row_began(&self) -> Timestamp {
        self.row_began
    }

    /// A call that began at `started` waits for longer than its caller likes.
    pub(super) fn overdue(&mut self, started: Timestamp, settings: &Settings) -> Overdue {
        self.row_began = if self.in_a_row == 0 { started } else { self.row_began.min(started) };
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.is_unbroken_since(started) {
            self.unheard = self.unheard.saturating_add(1);
        }
        if self.unheard >= settings.silent_calls {
            return Overdue::Silent;
        }
        if self.in_a_row < settings.slow_calls {
            return Overdue::Nothing;
        }
        self.in_a_row = 0;
        Overdue::Slow
    }
}
