//! What must hold for calls: they do not fail, they take effect once, they are answered soon.

use std::collections::BTreeMap;

use evergate_failover::engine::State;
use evergate_failover::shell::CallKind;

use super::{Invariant, Run, Violation};
use crate::Ms;
use crate::caller::options;
use crate::faults::Spell;
use crate::record::{Asked, Done, End, Entry, Known, MOST};

/// One call from its beginning to its end.
#[derive(Debug)]
pub struct Story {
    caller: usize,
    call: usize,
    kind: CallKind,
    at: Ms,
    done: Option<(Ms, Done)>,
    /// Its caller began anew before it was done.
    is_cut_off: bool,
    attempts: Vec<Attempt>,
    /// Choices, made or not for want of a budget: when, whom, and what was known of the member.
    choices: Vec<Choice>,
}

#[derive(Debug)]
struct Choice {
    at: Ms,
    member: usize,
    known: [Known; MOST],
}

#[derive(Debug)]
struct Attempt {
    member: usize,
    /// When it was decided upon, and what the caller knew then. A connection may have to be made first.
    chosen: Ms,
    known: [Known; MOST],
    /// When the question was sent.
    at: Ms,
    end: Option<(Ms, End)>,
}

impl Attempt {
    fn waits_at(&self, at: Ms) -> bool {
        self.chosen <= at && self.end.is_none_or(|(ended, _)| ended > at)
    }
}

impl Story {
    /// Whether it may be made again at any time.
    fn is_repeatable(&self) -> bool {
        self.kind != CallKind::Once
    }
    fn patience(&self) -> Ms {
        options(self.kind).patience.map_or(0, |patience| u64::try_from(patience.as_millis()).unwrap())
    }
    fn violates(&self, invariant: Invariant, what: &str) -> Violation {
        Violation {
            invariant,
            at: self.done.map_or(self.at, |(at, _)| at),
            what: format!("{what}: {self:?}"),
        }
    }
}

pub fn stories(run: &Run<'_>) -> Vec<Story> {
    let mut stories = BTreeMap::new();
    for (at, entry) in run.entries {
        match *entry {
            Entry::Called { caller, call, kind } => {
                let (at, done, is_cut_off) = (*at, None, false);
                let (attempts, choices) = (Vec::new(), Vec::new());
                stories.insert(call, Story { caller, call, kind, at, done, is_cut_off, attempts, choices });
            }
            Entry::Picked { call, member, known, .. } => {
                stories.get_mut(&call).unwrap().choices.push(Choice { at: *at, member, known });
            }
            Entry::Asked { member, asked: Asked::Call(call, _), .. } => {
                let story: &mut Story = stories.get_mut(&call).unwrap();
                // Nobody is chosen again while a connection to it is made.
                let chosen = story.choices.iter().rfind(|choice| choice.member == member).unwrap();
                let (chosen, known) = (chosen.at, chosen.known);
                story.attempts.push(Attempt { member, chosen, known, at: *at, end: None });
            }
            Entry::Ended { asked: Asked::Call(call, number), end, .. } => {
                stories.get_mut(&call).unwrap().attempts[number].end = Some((*at, end));
            }
            Entry::Done { call, done, .. } => stories.get_mut(&call).unwrap().done = Some((*at, done)),
            Entry::Made { caller } => {
                let calls = stories.values_mut().filter(|story| story.caller == caller);
                calls.for_each(|story| story.is_cut_off = story.done.is_none());
            }
            _ => {}
        }
    }
    stories.into_values().collect()
}

/// What a call needs beside its patience: a dial, the way there and back, the wait after all were
/// tried.
const SLACK: Ms = 200;
/// How long a question may be on its way to the member.
const WAY: Ms = 3;
/// The budget's window: what exceeds it waits for the next.
const WINDOW: Ms = 1_000;

/// How long a member must be good for a call to be answered by it, whatever the others do: the
/// patience with each of them. More than one silent member, or one that is only slow, may cost more
/// second questions than the budget has at once.
fn needed(run: &Run<'_>, story: &Story) -> Ms {
    let ended = story.done.map_or(story.at, |(at, _)| at);
    let near = |m: usize| {
        let troubles = run.troubles(story.caller, m);
        troubles.filter(|(_, from, to)| *from <= ended && story.at <= to + WINDOW).map(|(spell, ..)| spell)
    };
    let members = || 0..run.shape.members;
    let troubled = members().filter(|m| near(*m).next().is_some()).count();
    let is_slow = members().any(|m| near(m).any(Spell::outlasts_itself));
    let others = u64::try_from(run.shape.members).unwrap() - 1;
    let paced = if troubled > 1 || is_slow { WINDOW } else { 0 };
    others * story.patience() + SLACK + paced
}

/// Once somebody said that it is busy nobody else is asked because of mere slowness, or of a question
/// lost on a connection that stands, unless it was not asked yet: load is not answered with more load.
fn waits_for_one_only(run: &Run<'_>, story: &Story) -> bool {
    let met_busy = story.attempts.iter().any(|attempt| attempt.end.is_some_and(|(_, end)| end == End::Busy));
    let ended = story.done.map_or(story.at, |(at, _)| at);
    let soon = story.at + needed(run, story);
    let is_left_out = |m: usize| {
        let is_asked = story.attempts.iter().any(|attempt| attempt.member == m && attempt.chosen <= soon);
        !is_asked && run.is_good(story.caller, m, story.at, ended)
    };
    let mut members = 0..run.shape.members;
    met_busy
        && members.clone().any(|m| has_had_its_turn_in_trouble(run, story, m))
        && !members.any(is_left_out)
}

pub fn no_call_fails(run: &Run<'_>, stories: &[Story]) -> Vec<Violation> {
    let failed = |story: &&Story| {
        // The world lasts for longer than any deadline.
        let Some((ended, done)) = story.done else { return !story.is_cut_off };
        let was_sent =
            || story.attempts.iter().any(|attempt| attempt.end.is_none_or(|(_, end)| end != End::Unsent));
        match done {
            Done::Answered(_) => return false,
            Done::Error => return true,
            Done::Lost if story.is_repeatable() => return true,
            Done::Lost => return !was_sent(),
            Done::NoAnswer if !story.is_repeatable() && was_sent() => return false,
            Done::NoAnswer if waits_for_one_only(run, story) => return false,
            Done::NoAnswer => {}
        }
        let from = ended.saturating_sub(needed(run, story));
        let is_good = |m| run.is_good(story.caller, m, from, ended) && !has_had_its_turn(run, story, m);
        (0..run.shape.members).any(is_good)
    };
    let failed = stories.iter().filter(failed);
    failed.map(|story| story.violates(Invariant::NoCallFails, "a call failed")).collect()
}

/// A call that was refused for load is not made again and again; one that was made while the member
/// was slow (when it came there, not when it was sent), or that was lost on a connection that stands,
/// waits.
fn has_had_its_turn(run: &Run<'_>, story: &Story, member: usize) -> bool {
    let was_refused =
        |attempt: &Attempt| attempt.member == member && attempt.end.is_some_and(|(_, end)| end == End::Busy);
    story.attempts.iter().any(was_refused) || has_had_its_turn_in_trouble(run, story, member)
}

fn has_had_its_turn_in_trouble(run: &Run<'_>, story: &Story, member: usize) -> bool {
    let waits_on = |at: Ms| {
        let mut troubles = run.troubles(story.caller, member).filter(|(spell, ..)| spell.outlasts_itself());
        troubles.any(|(_, from, to)| from <= at && at <= to)
    };
    let waited = |attempt: &&Attempt| {
        let end = attempt.end.map(|(_, end)| end);
        attempt.member == member && matches!(end, None | Some(End::Left | End::Answered(_)))
    };
    story.attempts.iter().filter(waited).any(|attempt| (0..=WAY).any(|way| waits_on(attempt.at + way)))
}

pub fn writes_once(run: &Run<'_>, stories: &[Story]) -> Vec<Violation> {
    let mut effects: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for (_, entry) in run.entries {
        if let Entry::Took { call, outcome, .. } = entry {
            effects.entry(*call).or_default().push(*outcome);
        }
    }
    let mut found = Vec::new();
    for story in stories.iter().filter(|story| story.kind != CallKind::Read) {
        let effects = effects.get(&story.call).map_or(&[][..], Vec::as_slice);
        if effects.len() > 1 {
            found.push(story.violates(Invariant::WritesOnce, &format!("{} effects", effects.len())));
        }
        if let Some((_, Done::Answered(outcome))) = story.done
            && effects.first() != Some(&outcome)
        {
            found.push(story.violates(Invariant::WritesOnce, &format!("the effect was {effects:?}")));
        }
    }
    found
}

/// Whether everybody whom it would have asked as well, in its time, was known to be slow. Of second
/// questions to such members design.md section 5 allows 5 % of the calls and no more, because all
/// that are slow may be so for load; so the call may have to wait for the first. It must not fail.
fn meets_only_the_slow(run: &Run<'_>, story: &Story) -> bool {
    let soon = story.at + needed(run, story);
    let mut further =
        story.choices.iter().filter(|choice| story.at < choice.at && choice.at <= soon).peekable();
    further.peek().is_some()
        && further.all(|choice| {
            let known = choice.known[choice.member];
            known.state == State::Up && !known.is_well
        })
}

/// While one member can answer, except where load may be the reason that all are slow.
pub fn recovery_bounded(run: &Run<'_>, stories: &[Story]) -> Vec<Violation> {
    let is_late = |story: &&Story| {
        let Some((ended, Done::Answered(_))) = story.done else { return false };
        story.is_repeatable()
            && ended - story.at > needed(run, story)
            && !waits_for_one_only(run, story)
            && !meets_only_the_slow(run, story)
            && run.somebody_is_good(story.caller, story.at, ended).is_some()
    };
    let late = stories.iter().filter(is_late);
    late.map(|story| story.violates(Invariant::RecoveryBounded, "answered late")).collect()
}

/// Second questions beside a first whose member was not under suspicion: one in twenty calls, or as
/// many as there are calls in flight, or ten. Any second touches two of the budget's windows.
pub fn budget_kept(run: &Run<'_>, stories: &[Story]) -> Vec<Violation> {
    let mut found = Vec::new();
    for caller in 0..run.shape.callers {
        let own: Vec<&Story> = stories.iter().filter(|story| story.caller == caller).collect();
        let mut hedges: Vec<Ms> = own.iter().flat_map(|story| hedges(run, story)).collect();
        hedges.sort_unstable();
        for (first, at) in hedges.iter().enumerate() {
            let inside = hedges.iter().skip(first).take_while(|other| **other < at + WINDOW).count();
            // Most seconds are well within what a window allows anyway.
            if inside > 20 && inside > 2 * allowed(&own, *at) {
                let what = format!("{inside} hedges, not {}", 2 * allowed(&own, *at));
                found.push(Violation { invariant: Invariant::BudgetKept, at: *at, what });
            }
        }
    }
    found
}

/// How many hedges a window near that moment allows.
fn allowed(stories: &[&Story], at: Ms) -> usize {
    let near = (at.saturating_sub(2 * WINDOW), at + WINDOW);
    let ended = |story: &Story| story.done.map_or(Ms::MAX, |(ended, _)| ended);
    let is_near = |story: &&&Story| story.at < near.1 && ended(story) >= near.0;
    let calls: Vec<_> = stories.iter().filter(is_near).collect();
    let at_once = |moment| calls.iter().filter(|story| story.at <= moment && moment <= ended(story)).count();
    let most = calls.iter().map(|story| at_once(story.at)).max().unwrap_or(0);
    most.max(calls.len() / 20).max(10)
}

/// When a read was asked once more while it waited at members that were up.
fn hedges(run: &Run<'_>, story: &Story) -> Vec<Ms> {
    let is_hedge = |next: &&Attempt| {
        let waits = |other: &&Attempt| other.chosen < next.chosen && other.waits_at(next.chosen);
        let mut waiting = story.attempts.iter().filter(waits).peekable();
        let is_up = |other: &Attempt| next.known[other.member].state == State::Up;
        waiting.peek().is_some()
            && waiting.all(|other| is_up(other) && may_answer(run, story, other, next.chosen))
    };
    let is_read = story.kind == CallKind::Read;
    story.attempts.iter().filter(|next| is_read && is_hedge(next)).map(|next| next.chosen).collect()
}

/// Whether nothing made an attempt's member silent, or its connection lead nowhere, until then.
fn may_answer(run: &Run<'_>, story: &Story, attempt: &Attempt, until: Ms) -> bool {
    let mut silences =
        run.troubles(story.caller, attempt.member).filter(|(spell, ..)| spell.may_be_taken_for_down());
    silences.all(|(_, from, to)| until < from || to < attempt.at)
}

/// Once a member said that it is busy, nobody is asked twice while one that is well may answer. One who
/// was not asked yet may be: not because somebody was busy, but because somebody else is silent.
pub fn busy_is_not_hedged(run: &Run<'_>, stories: &[Story]) -> Vec<Violation> {
    let is_hedged = |story: &&Story| {
        let is_busy = |attempt: &&Attempt| attempt.end.is_some_and(|(_, end)| end == End::Busy);
        let Some((busy, _)) = story.attempts.iter().find(is_busy).and_then(|attempt| attempt.end) else {
            return false;
        };
        let was_asked = |next: &Attempt| {
            story.attempts.iter().any(|other| other.member == next.member && other.chosen < next.chosen)
        };
        let mut later = story.attempts.iter().filter(|attempt| attempt.chosen > busy && was_asked(attempt));
        later.any(|next| {
            let waits = |other: &&Attempt| other.chosen < next.chosen && other.waits_at(next.chosen);
            let mut waiting = story.attempts.iter().filter(waits).peekable();
            let is_up = |other: &Attempt| next.known[other.member].state == State::Up;
            waiting.peek().is_some()
                && waiting.all(|other| is_up(other) && may_answer(run, story, other, next.chosen))
        })
    };
    let reads = stories.iter().filter(|story| story.kind == CallKind::Read);
    let hedged = reads.filter(is_hedged);
    hedged.map(|story| story.violates(Invariant::BusyIsNotHedged, "hedged after busy")).collect()
}
