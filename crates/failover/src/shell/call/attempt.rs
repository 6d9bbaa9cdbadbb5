//! One attempt at one member, with its outcome told to the engine.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use evergate_model::Timestamp;
use tokio::time::Instant;

use crate::engine::{Event, Failure, Member, MemberId};
use crate::shell::classify::{Classify, Reach};
use crate::shell::dial::{Dial, DialError};
use crate::shell::lateness::is_late_for;
use crate::shell::links::{GivenUp, Numbered};
use crate::shell::pool::Shared;

/// What is called. Attempts that wait at the same time share it.
pub(super) struct Caller<F> {
    attempt: Mutex<F>,
}

impl<F> Caller<F> {
    pub(super) const fn new(attempt: F) -> Self {
        Self { attempt: Mutex::new(attempt) }
    }

    fn attempt<L, Fut>(&self, link: L) -> Fut
    where
        F: FnMut(L) -> Fut,
    {
        (self.attempt.lock().unwrap_or_else(PoisonError::into_inner))(link)
    }
}

/// What an attempt and the call that it belongs to tell each other while it waits.
#[derive(Debug, Default)]
pub(super) struct Marks {
    overdue: AtomicBool,
    link: OnceLock<GivenUp>,
}

impl Marks {
    /// It waits for longer than its caller likes.
    pub(super) fn set_overdue(&self) {
        self.overdue.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.overdue.load(Ordering::Relaxed)
    }

    /// Whether the connection that it waits at was given up.
    pub(super) fn is_link_given_up(&self) -> bool {
        self.link.get().is_some_and(GivenUp::is)
    }
}

/// How one attempt ended.
pub(super) enum Outcome<T, E> {
    Answer(Result<T, E>),
    Undialled(DialError),
    Unanswered(Reach, E),
}

/// An attempt that ended.
pub(super) struct Ended<T, E> {
    pub(super) number: u32,
    pub(super) member: MemberId,
    pub(super) outcome: Outcome<T, E>,
}

/// Makes the attempt.
pub(super) async fn make<D, T, E, F, Fut>(caller: &Caller<F>, waiting: Waiting<'_, D>) -> Ended<T, E>
where
    D: Dial,
    E: Classify,
    F: FnMut(D::Link) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let (number, member) = (waiting.number, waiting.member.id.clone());
    let outcome = match waiting.shared.links.get(&waiting.member).await {
        Ok(numbered) => {
            drop(waiting.marks.link.set(numbered.given_up.clone()));
            match caller.attempt(numbered.link.clone()).await {
                Ok(answer) => {
                    waiting.answered();
                    Outcome::Answer(Ok(answer))
                }
                Err(error) => failed(waiting, &numbered, error),
            }
        }
        Err(error) => {
            waiting.failed(error.failure());
            Outcome::Undialled(error)
        }
    };
    Ended { number, member, outcome }
}

/// What an error says of the member.
fn failed<D: Dial, T, E: Classify>(
    waiting: Waiting<'_, D>,
    numbered: &Numbered<D::Link>,
    error: E,
) -> Outcome<T, E> {
    let (shared, member) = (waiting.shared, waiting.member.clone());
    let reach = error.reach();
    match reach {
        Reach::Answered => {
            waiting.answered();
            return Outcome::Answer(Err(error));
        }
        Reach::Draining => waiting.turned_away(),
        Reach::Busy | Reach::Unable => waiting.failed(Failure::Busy),
        Reach::NotReached | Reach::Lost if shared.dial.is_closed(&numbered.link) => {
            waiting.failed(Failure::Reset);
            shared.give_up(&member, numbered);
        }
        // The member said goodbye to the connection, which still serves the calls that it has.
        Reach::NotReached => {
            waiting.turned_away();
            shared.give_up(&member, numbered);
        }
        // This call was broken off, the connection was not: it may be the call's own fault.
        Reach::Lost => waiting.failed(Failure::Busy),
    }
    Outcome::Unanswered(reach, error)
}

/// An attempt that was started at a member; tells the engine how it ended, also when it is dropped,
/// be it before it was ever polled.
pub(super) struct Waiting<'a, D: Dial> {
    pub(super) shared: &'a Shared<D>,
    pub(super) number: u32,
    pub(super) member: Member,
    pub(super) started: Timestamp,
    pub(super) deadline: Instant,
    pub(super) marks: Arc<Marks>,
    pub(super) is_told: bool,
}

impl<D: Dial> Waiting<'_, D> {
    fn answered(mut self) {
        let (member, started) = (self.member.id.clone(), self.started);
        self.tell(if self.marks.is_overdue() {
            Event::AnsweredLate { member, started }
        } else {
            Event::Answered { member, started }
        });
    }

    fn failed(mut self, failure: Failure) {
        self.tell(Event::Failed { member: self.member.id.clone(), started: self.started, failure });
    }

    /// It said that it is about to stop.
    fn turned_away(self) {
        self.shared.handle(Event::SaidDraining { member: self.member.id.clone() });
        self.answered();
    }

    fn tell(&mut self, event: Event) {
        self.is_told = true;
        self.shared.handle(event);
    }

    /// Dropped at the deadline: the member left the call unanswered. Before, the caller left, or
    /// another member was quicker; much later our own timer was slow; and an attempt that began just
    /// before the deadline had no time to be answered: none of these says anything.
    fn is_unanswered_at_deadline(&self) -> bool {
        let had_time = || self.shared.now().since(self.started) >= self.shared.options.heartbeat;
        Instant::now() >= self.deadline
            && !is_late_for(self.deadline)
            && !self.shared.pulse.was_away()
            && (self.marks.is_overdue() || had_time())
    }
}

impl<D: Dial> Drop for Waiting<'_, D> {
    fn drop(&mut self) {
        if self.is_told {
            return;
        }
        let member = self.member.id.clone();
        let event = if self.is_unanswered_at_deadline() {
            Event::Failed { member, started: self.started, failure: Failure::TimedOut }
        } else {
            Event::Abandoned { member }
        };
        self.tell(event);
    }
}
