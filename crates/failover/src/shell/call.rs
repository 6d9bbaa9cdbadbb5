//! A call that outlives the death of whoever had it.

use std::future::Future;
use std::time::Duration;

use evergate_model::Timestamp;
use tokio::time::Instant;

use super::classify::{Classify, Reach};
use super::dial::{Dial, DialError};
use super::options::{CallKind, CallOptions};
use super::pool::{Pool, Shared};
use crate::engine::{Event, Failure, Member, MemberId};

/// The first wait after every member was tried, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError<E> {
    /// A member answered, with this error.
    #[error("answered with an error")]
    Answered(#[source] E),
    /// It was lost after it was sent, and must not be made again.
    #[error("lost after it was sent")]
    Lost(#[source] E),
    /// Nobody answered inside the deadline.
    #[error("no member of `{link}` answered ({attempts} attempts): {last}")]
    NoAnswer {
        /// The pool.
        link: String,
        /// How many attempts were made.
        attempts: u32,
        /// How the last failed.
        last: String,
        /// Whether the last member asked said that it was busy.
        busy: bool,
    },
}

/// How one attempt ended.
enum Outcome<T, E> {
    Answer(Result<T, E>),
    Undialled(DialError),
    Unanswered(Reach, E),
}

impl<D: Dial> Pool<D> {
    /// Makes a call to the member that should have it; at another, at once, if that one does not
    /// answer; and when all were tried, again after a short wait, until the deadline.
    ///
    /// # Errors
    /// [`CallError::Answered`] is the service's own answer; the others say that there was none.
    pub async fn call<T, E, F, Fut>(&self, options: CallOptions, mut attempt: F) -> Result<T, CallError<E>>
    where
        E: Classify + std::fmt::Display,
        F: FnMut(D::Link) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let deadline = Instant::now() + options.deadline;
        let mut course = Course { attempts: 0, last: "not attempted".to_owned(), busy: false };
        let calls = attempts(&self.0, options.kind, deadline, &mut course, &mut attempt);
        match tokio::time::timeout_at(deadline, calls).await {
            Ok(result) => result,
            Err(_) => Err(CallError::NoAnswer {
                link: self.0.options.link.clone(),
                attempts: course.attempts,
                last: course.last,
                busy: course.busy,
            }),
        }
    }
}

/// What is remembered of a call's attempts.
struct Course {
    attempts: u32,
    last: String,
    busy: bool,
}

async fn attempts<D, T, E, F, Fut>(
    shared: &Shared<D>,
    kind: CallKind,
    deadline: Instant,
    course: &mut Course,
    attempt: &mut F,
) -> Result<T, CallError<E>>
where
    D: Dial,
    E: Classify + std::fmt::Display,
    F: FnMut(D::Link) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let (mut tried, mut backoff) = (Vec::new(), BACKOFF.0);
    loop {
        let Some(member) = shared.start(&tried) else {
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF.1);
            tried.clear();
            continue;
        };
        course.attempts += 1;
        tried.push(member.id.clone());
        let outcome = one_attempt(shared, &member, deadline, attempt).await;
        match outcome {
            Outcome::Answer(result) => return result.map_err(CallError::Answered),
            Outcome::Undialled(error) => {
                (course.last, course.busy) = (format!("{}: {error}", member.id), false);
            }
            Outcome::Unanswered(Reach::Lost, error) if kind == CallKind::Once => {
                return Err(CallError::Lost(error));
            }
            Outcome::Unanswered(reach, error) => {
                (course.last, course.busy) = (format!("{}: {error}", member.id), reach == Reach::Busy);
                if reach == Reach::Lost && !shared.repeat_at_once() {
                    tokio::time::sleep(backoff).await;
                }
            }
        }
    }
}

/// One attempt at one member, with its outcome told to the engine.
async fn one_attempt<D, T, E, F, Fut>(
    shared: &Shared<D>,
    member: &Member,
    deadline: Instant,
    attempt: &mut F,
) -> Outcome<T, E>
where
    D: Dial,
    E: Classify,
    F: FnMut(D::Link) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let started = InFlight { shared, member: &member.id, started: shared.now(), deadline, told: false };
    let numbered = match shared.links.get(&shared.dial, member, shared.options.dial).await {
        Ok(numbered) => numbered,
        Err(error) => {
            started.failed(error.failure());
            return Outcome::Undialled(error);
        }
    };
    let error = match attempt(numbered.link.clone()).await {
        Ok(answer) => {
            started.answered();
            return Outcome::Answer(Ok(answer));
        }
        Err(error) => error,
    };
    match error.reach() {
        Reach::Answered => {
            started.answered();
            Outcome::Answer(Err(error))
        }
        reach @ (Reach::NotReached | Reach::Lost) => {
            started.failed(Failure::Reset);
            shared.links.discard(member, &numbered).await;
            Outcome::Unanswered(reach, error)
        }
        reach @ (Reach::Busy | Reach::Unable) => {
            started.failed(Failure::Busy);
            Outcome::Unanswered(reach, error)
        }
        Reach::Draining => {
            shared.handle(Event::SaidDraining { member: member.id.clone() });
            started.answered();
            Outcome::Unanswered(Reach::Draining, error)
        }
    }
}

/// A call that was started; tells the engine how it ended, also when the caller goes away.
struct InFlight<'a, D: Dial> {
    shared: &'a Shared<D>,
    member: &'a MemberId,
    started: Timestamp,
    deadline: Instant,
    told: bool,
}

impl<D: Dial> InFlight<'_, D> {
    fn answered(mut self) {
        self.told = true;
        self.shared.handle(Event::Answered { member: self.member.clone(), started: self.started });
    }

    fn failed(mut self, failure: Failure) {
        self.told = true;
        self.shared.handle(Event::Failed { member: self.member.clone(), started: self.started, failure });
    }
}

impl<D: Dial> Drop for InFlight<'_, D> {
    fn drop(&mut self) {
        if self.told {
            return;
        }
        let member = self.member.clone();
        // Dropped at the deadline: the member left the call unanswered. Before: the caller left.
        let event = if Instant::now() >= self.deadline {
            Event::Failed { member, started: self.started, failure: Failure::TimedOut }
        } else {
            Event::Abandoned { member }
        };
        self.shared.handle(event);
    }
}
