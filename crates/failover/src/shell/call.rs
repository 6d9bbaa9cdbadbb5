//! A call that outlives the death, the silence and the slowness of whoever has it.

mod attempt;
mod course;
mod outcomes;

use std::future::Future;

use tokio::time::Instant;

use super::classify::Classify;
use super::dial::Dial;
use super::options::CallOptions;
use super::pool::{Pool, Shared};
use crate::engine::Budget;
use attempt::Caller;
use course::Course;
use outcomes::Outcomes;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError<E> {
    /// A member answered, with this error.
    #[error("answered with an error")]
    Answered(#[source] E),
    /// It was lost after it was sent, and must not be made again.
    #[error("lost after it was sent")]
    Lost(#[source] E),
    /// Nobody answered inside the deadline, or all were busy.
    #[error("no member of `{link}` answered ({attempts} attempts): {last}")]
    NoAnswer {
        /// The pool.
        link: String,
        /// How many attempts were made.
        attempts: u32,
        /// How the last failed.
        last: String,
        /// Whether the last member that said something said that it could not answer now.
        busy: bool,
    },
}

impl<D: Dial> Pool<D> {
    /// Makes a call to the member that should have it; at another, at once, if that one does not
    /// answer; at another as well, while the first may still answer, if that one is silent for
    /// longer than the caller's patience or comes under suspicion; and when all were tried, again
    /// after a short wait, until the deadline. The first answer wins.
    ///
    /// # Errors
    /// [`CallError::Answered`] is the service's own answer; the others say that there was none.
    pub async fn call<T, E, F, Fut>(&self, options: CallOptions, attempt: F) -> Result<T, CallError<E>>
    where
        E: Classify + std::fmt::Display,
        F: FnMut(D::Link) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let deadline = Instant::now() + options.deadline;
        let _in_flight = InFlight::begin(&self.0);
        let mut outcomes = Outcomes::default();
        let caller = Caller::new(attempt);
        let course = Course::new(&self.0, options, deadline, &mut outcomes).run(&caller);
        let result = tokio::time::timeout_at(deadline, course).await;
        result.unwrap_or_else(|_| Err(outcomes.no_answer(self.link())))
    }
}

/// A call that waits for an answer, as the budget counts it.
struct InFlight<'a, D: Dial>(&'a Shared<D>);

impl<'a, D: Dial> InFlight<'a, D> {
    fn begin(shared: &'a Shared<D>) -> Self {
        shared.budget(Budget::call_began);
        Self(shared)
    }
}

impl<D: Dial> Drop for InFlight<'_, D> {
    fn drop(&mut self) {
        self.0.budget(|budget, _| budget.call_ended());
    }
}
