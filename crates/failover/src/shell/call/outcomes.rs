//! What is remembered of a call's attempts: also when its deadline ends it from outside.

use super::CallError;

/// What is remembered of a call's attempts, for the error.
#[derive(Debug)]
pub(super) struct Outcomes {
    pub(super) attempts: u32,
    pub(super) last: String,
    pub(super) busy: bool,
}

impl Default for Outcomes {
    fn default() -> Self {
        Self { attempts: 0, last: "not attempted".to_owned(), busy: false }
    }
}

impl Outcomes {
    pub(super) fn no_answer<E>(&self, link: &str) -> CallError<E> {
        let (link, last) = (link.to_owned(), self.last.clone());
        CallError::NoAnswer { link, attempts: self.attempts, last, busy: self.busy }
    }
}
