//! The course of a call: when a further attempt begins, where, and when there is no sense in more.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use evergate_model::Timestamp;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::CallError;
use super::attempt::{self, Caller, Ended, Marks, Outcome, Waiting};
use super::outcomes::Outcomes;
use crate::engine::{Event, MemberId, State};
use crate::shell::classify::{Classify, Reach};
use crate::shell::dial::Dial;
use crate::shell::lateness::is_late_for;
use crate::shell::options::{CallKind, CallOptions};
use crate::shell::pool::{Cost, Shared, Start};

/// The first wait after every member was tried, or when the budget is spent, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));
/// The wait before those who were busy are asked once more.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// An attempt that waits for an answer.
struct Pending {
    number: u32,
    member: MemberId,
    /// What the member was taken to be when the attempt began.
    found: State,
    started: Timestamp,
    overdue_at: Option<Instant>,
    marks: Arc<Marks>,
}

/// What the members of one round said who gave no answer.
#[derive(Debug, Default)]
struct Round {
    busy: u32,
    other: u32,
}

/// No attempt begins before this moment.
#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    /// Everybody was tried: afterwards all who are not waited for may be asked again.
    then_new_round: bool,
}

/// What is to be done next.
enum Step<'a, D: Dial> {
    Begin(Waiting<'a, D>),
    Wait(Option<Instant>),
    GiveUp,
}

/// The course of one call.
pub(super) struct Course<'a, D: Dial> {
    shared: &'a Shared<D>,
    options: CallOptions,
    deadline: Instant,
    outcomes: &'a mut Outcomes,
    pending: Vec<Pending>,
    /// Who was asked at all.
    asked: Vec<MemberId>,
    /// Who gave no answer in this round.
    failed: Vec<MemberId>,
    round: Round,
    rounds_among_busy: u32,
    has_met_busy: bool,
    owes_retry: bool,
    backoff: Duration,
    pause: Option<Pause>,
    /// No attempt begins any more; those that wait may still be answered.
    is_closed: bool,
}

impl<'a, D: Dial> Course<'a, D> {
    pub(super) fn new(
        shared: &'a Shared<D>,
        options: CallOptions,
        deadline: Instant,
        outcomes: &'a mut Outcomes,
    ) -> Self {
        Self {
            shared,
            options,
            deadline,
            outcomes,
            pending: Vec::new(),
            asked: Vec::new(),
            failed: Vec::new(),
            round: Round::default(),
            rounds_among_busy: 0,
            has_met_busy: false,
            owes_retry: false,
            backoff: BACKOFF.0,
            pause: None,
            is_closed: false,
        }
    }

    /// Until the first answer, or until there is no sense in going on. Whoever polls it sets the
    /// deadline.
    pub(super) async fn run<T, E, F, Fut>(mut self, caller: &Caller<F>) -> Result<T, CallError<E>>
    where
        E: Classify + std::fmt::Display,
        F: FnMut(D::Link) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let shared = self.shared;
        let mut attempts = FuturesUnordered::new();
        loop {
            // Before the states are looked at, so that no change is missed.
            let mut moved = std::pin::pin!(shared.moved.notified());
            moved.as_mut().enable();
            let until = match self.step(Instant::now()) {
                Step::Begin(waiting) => {
                    attempts.push(attempt::make(caller, waiting));
                    continue;
                }
                Step::Wait(until) => until,
                Step::GiveUp => return Err(self.outcomes.no_answer(&shared.options.link)),
            };
            tokio::select! {
                biased;
                Some(ended) = attempts.next() => {
                    if let Some(result) = self.ended(ended) {
                        return result;
                    }
                }
                () = moved => self.reconsider(),
                () = tokio::time::sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {}
            }
        }
    }

    fn step(&mut self, now: Instant) -> Step<'a, D> {
        self.tell_overdue(now);
        if self.is_pausing(now) {
            return self.wait();
        }
        let Some(cost) = self.cost_of_another() else { return self.wait() };
        match self.shared.start(&self.excluded(), !self.pending.is_empty(), cost) {
            Start::At(member, found) => {
                self.owes_retry = false;
                self.outcomes.attempts += 1;
                let (number, started) = (self.outcomes.attempts, self.shared.now());
                let marks = Arc::new(Marks::default());
                self.asked.push(member.id.clone());
                self.pending.push(Pending {
                    number,
                    member: member.id.clone(),
                    found,
                    started,
                    overdue_at: self.options.patience().map(|patience| now + patience),
                    marks: Arc::clone(&marks),
                });
                let (shared, deadline) = (self.shared, self.deadline);
                Step::Begin(Waiting { shared, number, member, started, deadline, marks, is_told: false })
            }
            Start::TooMuch => {
                self.pause_for_backoff(now, false);
                self.wait()
            }
            Start::Nobody if self.wants_others_only() => self.wait(),
            Start::Nobody => self.all_were_asked(now),
        }
    }

    /// Tells the engine of attempts that wait for longer than the caller likes.
    fn tell_overdue(&mut self, now: Instant) {
        for pending in &mut self.pending {
            let Some(due) = pending.overdue_at.take_if(|due| *due <= now) else { continue };
            pending.marks.set_overdue();
            // On a busy machine the watcher, too, can be slow: then it blames nobody.
            if !is_late_for(due) && !self.shared.pulse.was_away() {
                let (member, started) = (pending.member.clone(), pending.started);
                self.shared.handle(Event::Overdue { member, started });
            }
        }
    }

    fn is_pausing(&mut self, now: Instant) -> bool {
        let Some(pause) = self.pause else { return false };
        if now < pause.until {
            return true;
        }
        self.pause = None;
        if pause.then_new_round {
            self.failed.clear();
            self.round = Round::default();
        }
        false
    }

    /// What a further attempt costs; `None` if none should begin now.
    fn cost_of_another(&self) -> Option<Cost> {
        let Some(newest) = self.pending.last() else {
            return Some(if self.owes_retry { Cost::Retry } else { Cost::Free });
        };
        let is_free = |pending: &Pending| pending.marks.is_overdue() || self.is_in_trouble(pending);
        if self.options.kind == CallKind::Once || self.is_closed || !self.pending.iter().all(is_free) {
            return None;
        }
        if self.is_in_trouble(newest) {
            return Some(Cost::Retry);
        }
        Some(Cost::Hedge)
    }

    /// Busy is no reason to ask anybody twice: while somebody who is not under suspicion may still
    /// answer, only those who were not asked yet are.
    fn wants_others_only(&self) -> bool {
        self.has_met_busy && self.pending.iter().any(|pending| !self.is_in_trouble(pending))
    }

    /// Whether an attempt's member came under suspicion, or its connection was given up, since it
    /// began.
    fn is_in_trouble(&self, pending: &Pending) -> bool {
        let state = self.shared.state_of(&pending.member);
        let is_worse = |state| matches!(state, State::Suspect | State::Down) && state > pending.found;
        pending.marks.is_link_given_up() || state.is_some_and(is_worse)
    }

    /// Who must not be asked now: who failed in this round, and who is waited for, unless over a
    /// connection that was given up; after *busy* perhaps everybody who was asked.
    fn excluded(&self) -> Vec<MemberId> {
        if self.wants_others_only() {
            return self.asked.clone();
        }
        let waits = self.pending.iter().filter(|pending| !pending.marks.is_link_given_up());
        self.failed.iter().chain(waits.map(|pending| &pending.member)).cloned().collect()
    }

    /// Nobody is left in this round.
    fn all_were_asked(&mut self, now: Instant) -> Step<'a, D> {
        let all_were_busy = self.pending.is_empty() && self.round.other == 0;
        if self.round.busy > 0 {
            let is_enough =
                self.rounds_among_busy > 0 || (all_were_busy && self.options.kind == CallKind::Read);
            if is_enough {
                self.is_closed = true;
                return if self.pending.is_empty() { Step::GiveUp } else { self.wait() };
            }
            self.rounds_among_busy += 1;
            self.pause = Some(Pause { until: now + BUSY_PAUSE, then_new_round: true });
        } else if self.pending.is_empty() || !self.failed.is_empty() {
            self.pause_for_backoff(now, true);
        }
        self.wait()
    }

    fn pause_for_backoff(&mut self, now: Instant, then_new_round: bool) {
        self.pause = Some(Pause { until: now + self.backoff, then_new_round });
        self.backoff = (self.backoff * 2).min(BACKOFF.1);
    }

    /// Until the pause is over, or the next attempt is overdue.
    fn wait(&self) -> Step<'a, D> {
        let overdue = self.pending.iter().filter_map(|pending| pending.overdue_at);
        Step::Wait(overdue.chain(self.pause.map(|pause| pause.until)).min())
    }

    /// Somebody's state changed, or an attempt ended: what was too much may now be due.
    fn reconsider(&mut self) {
        self.pause.take_if(|pause| !pause.then_new_round);
    }

    /// The call's result, if this ends it.
    fn ended<T, E>(&mut self, ended: Ended<T, E>) -> Option<Result<T, CallError<E>>>
    where
        E: std::fmt::Display,
    {
        self.pending.retain(|pending| pending.number != ended.number);
        self.reconsider();
        let (reach, last) = match ended.outcome {
            Outcome::Answer(answer) => return Some(answer.map_err(CallError::Answered)),
            Outcome::Unanswered(Reach::Lost, error) if self.options.kind == CallKind::Once => {
                return Some(Err(CallError::Lost(error)));
            }
            Outcome::Undialled(error) => (Reach::NotReached, error.to_string()),
            Outcome::Unanswered(reach, error) => (reach, error.to_string()),
        };
        self.outcomes.last = format!("{}: {last}", ended.member);
        self.outcomes.busy = matches!(reach, Reach::Busy | Reach::Unable);
        self.owes_retry |= reach == Reach::Lost;
        if reach == Reach::Busy {
            self.has_met_busy = true;
            self.round.busy += 1;
            self.shared.budget(|budget, now| budget.said_busy(&ended.member, now));
        } else {
            self.round.other += 1;
        }
        self.failed.push(ended.member);
        None
    }
}
