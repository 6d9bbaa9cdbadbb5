//! What must hold for a pool's choices and opinions.

use evergate_failover::engine::State;

use super::{Invariant, Run, Violation};
use crate::Ms;
use crate::faults::{Fault, Spell};
use crate::record::{Asked, End, Entry, Known, MOST};

fn violation(invariant: Invariant, at: Ms, what: String) -> Violation {
    Violation { invariant, at, what }
}

/// By what the pool says that it knows, and by what it was told: a refusal or a reset that nothing
/// answered since. One of what was asked before the member fell and rose again tells of a connection
/// of its earlier life.
pub fn none_to_the_down(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut told_dead: Vec<[Option<Ms>; MOST]> = vec![[None; MOST]; run.shape.callers];
    let mut fell = vec![[0; MOST]; run.shape.callers];
    for (at, entry) in run.entries {
        match *entry {
            Entry::Made { caller } => (told_dead[caller], fell[caller]) = ([None; MOST], [0; MOST]),
            Entry::Changed { caller, member, to: State::Down, .. } => fell[caller][member] = *at,
            Entry::Ended { caller, member, end, since, .. }
                if end.is_dead() && since >= fell[caller][member] =>
            {
                told_dead[caller][member].get_or_insert(*at);
            }
            // A connection alone says nothing: it may be the kernel's.
            Entry::Ended { caller, member, asked: Asked::Beat | Asked::Call(..), end, .. }
                if end.is_alive() =>
            {
                told_dead[caller][member] = None;
            }
            Entry::Picked { caller, member, tried, known, .. } => {
                let others = || (0..run.shape.members).filter(|m| *m != member && !tried[*m]);
                if known[member].state == State::Down && others().any(|m| known[m].state != State::Down) {
                    let what = format!("caller {caller} chose m{member}, known to be down, of {known:?}");
                    found.push(violation(Invariant::NoneToTheDown, *at, what));
                }
                let is_dead = |m: usize| told_dead[caller][m].is_some_and(|told| told < *at);
                let is_better = |m: usize| told_dead[caller][m].is_none() && known[m].state != State::Down;
                if is_dead(member) && others().any(is_better) {
                    let what =
                        format!("caller {caller} chose m{member}, which had refused or reset, of {known:?}");
                    found.push(violation(Invariant::NoneToTheDown, *at, what));
                }
            }
            _ => {}
        }
    }
    found
}

/// What is known of one member's past, to say how long it must be held down.
#[derive(Debug, Clone, Copy, Default)]
struct Past {
    has_answered: bool,
    is_planned: bool,
    falls: u32,
    doubts: u32,
    held_until: Ms,
}

/// Design.md section 5: 10 s, doubling to 5 min; from 1 s on for one that was only suspect.
const HOLD: (Ms, Ms, Ms) = (10_000, 1_000, 300_000);

impl Past {
    fn changes(&mut self, from: State, to: State, at: Ms) {
        match to {
            State::Draining => self.is_planned = true,
            State::Down if self.has_answered && !self.is_planned => self.falls += 1,
            State::Up => {
                let (hold, times) =
                    if from == State::Down { (HOLD.0, self.falls) } else { (HOLD.1, self.doubts) };
                let hold = (hold << times.saturating_sub(1).min(10)).min(HOLD.2);
                let is_held = self.has_answered && !self.is_planned;
                self.held_until = if is_held { at + hold } else { 0 };
                self.is_planned = false;
            }
            State::Suspect if from == State::Up => self.doubts += 1,
            State::Down | State::Suspect => {}
        }
    }
}

pub fn hold_down_kept(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut pasts = vec![[Past::default(); MOST]; run.shape.callers];
    // An answer in the very moment of the rise is the one that it rose by.
    let mut answered: Vec<(Ms, usize, usize)> = Vec::new();
    for (at, entry) in run.entries {
        let is_over = |(then, ..): &(Ms, usize, usize)| then < at;
        for (_, caller, member) in answered.extract_if(.., |each| is_over(each)) {
            pasts[caller][member].has_answered = true;
        }
        match *entry {
            Entry::Made { caller } => pasts[caller] = [Past::default(); MOST],
            Entry::Ended {
                caller,
                member,
                asked: Asked::Beat | Asked::Call(..),
                end: End::Answered(_),
                ..
            } => {
                answered.push((*at, caller, member));
            }
            Entry::Changed { caller, member, from, to, .. } => pasts[caller][member].changes(from, to, *at),
            Entry::Picked { caller, member, tried, known, .. } => {
                let is_free = |known: Known| known.state == State::Up && !known.is_held;
                let mut others = (0..run.shape.members).filter(|m| *m != member && !tried[*m]);
                let past = pasts[caller][member];
                if *at < past.held_until
                    && known[member].state == State::Up
                    && others.any(|m| is_free(known[m]))
                {
                    let what = format!("caller {caller} preferred m{member} before {} ms", past.held_until);
                    found.push(violation(Invariant::HoldDownKept, *at, what));
                }
            }
            _ => {}
        }
    }
    found
}

/// A call that was made in trouble is given up so long after it.
const DEADLINE: Ms = 2_000;

/// A watcher knows that it was late itself by a timer that is due every 50 ms being 100 ms late.
const HARDLY_LATE: Ms = 150;
const AT_ONCE: Ms = 10;

pub fn blamed_with_cause(run: &Run<'_>) -> Vec<Violation> {
    let has_cause = |caller, member, to: State, at: Ms| {
        let may = |spell: &Spell| match to {
            State::Down => spell.may_be_taken_for_down(),
            State::Draining => matches!(spell.fault, Fault::Stop { .. }),
            State::Suspect | State::Up => spell.may_be_suspected(),
        };
        let mut troubles = run.troubles(caller, member).filter(|(spell, ..)| may(spell));
        let mut starved = run.spells.iter().filter(|spell| to == State::Suspect && spell.starves(caller));
        let was_hardly_late = |spell: &Spell| {
            spell.to - spell.from < HARDLY_LATE && spell.from <= at && at <= spell.to + AT_ONCE
        };
        troubles.any(|(_, from, to)| from <= at && at <= to + DEADLINE) || starved.any(was_hardly_late)
    };
    let blamed = run.entries.iter().filter_map(|(at, entry)| match *entry {
        Entry::Changed {
            caller,
            member,
            to: to @ (State::Suspect | State::Down | State::Draining),
            cause,
            ..
        } if !has_cause(caller, member, to, *at) => {
            let what = format!("caller {caller} took m{member} to be {} ({cause})", to.as_str());
            Some(violation(Invariant::BlamedWithCause, *at, what))
        }
        _ => None,
    });
    blamed.collect()
}
