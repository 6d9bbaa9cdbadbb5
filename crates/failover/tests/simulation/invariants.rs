//! What must hold in every world, each by its own checker, which looks at nothing but the record and
//! at the truth about who could have answered when.

mod calls;
mod choices;
mod healing;

use super::faults::Spell;
use super::record::Entry;
use super::{Ms, Shape};

pub use healing::Final;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// No call fails while a member can answer and the deadline allows it, and every call ends.
    NoCallFails,
    /// None goes to a member known to be down while another is untried.
    NoneToTheDown,
    /// A write takes effect once, and its answer is that effect.
    WritesOnce,
    /// Nobody is preferred before its hold-down is over.
    HoldDownKept,
    /// While one member can answer every call is answered in a bounded time.
    RecoveryBounded,
    /// Attempts beyond the first stay within their budgets.
    BudgetKept,
    /// Nobody is suspected or taken to be down who is only busy, or not listened to.
    BlamedWithCause,
    /// What was refused for load is not hedged.
    BusyIsNotHedged,
    /// When all faults are over, the primary is active again, and not later than promised.
    Heals,
    /// Callers change at most so often.
    SwitchesBounded,
    /// Afterwards no call is in flight.
    NothingIsLeft,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::NoCallFails,
        Self::NoneToTheDown,
        Self::WritesOnce,
        Self::HoldDownKept,
        Self::RecoveryBounded,
        Self::BudgetKept,
        Self::BlamedWithCause,
        Self::BusyIsNotHedged,
        Self::Heals,
        Self::SwitchesBounded,
        Self::NothingIsLeft,
    ];
}

#[derive(Debug)]
pub struct Violation {
    pub invariant: Invariant,
    pub at: Ms,
    pub what: String,
}

/// A finished run.
pub struct Run<'a> {
    pub shape: &'a Shape,
    pub spells: &'a [Spell],
    pub entries: &'a [(Ms, Entry)],
    pub finals: &'a [Final],
}

impl Run<'_> {
    /// What may keep a caller from being answered by a member, and from when to when. Who gets no
    /// processor meanwhile notices the end of a trouble so much later.
    pub fn troubles(&self, caller: usize, member: usize) -> impl Iterator<Item = (&Spell, Ms, Ms)> {
        self.spells.iter().filter_map(move |spell| {
            let (from, mut to) = spell.troubles(caller, member)?;
            for starved in self.spells.iter().filter(|other| other.starves(caller)) {
                if from <= starved.to && starved.from <= to {
                    to = to.max(starved.to) + (starved.to - starved.from);
                }
            }
            Some((spell, from, to))
        })
    }

    /// Whether nothing keeps a caller from being answered by a member from then until then.
    pub fn is_good(&self, caller: usize, member: usize, from: Ms, to: Ms) -> bool {
        self.troubles(caller, member).all(|(_, began, ended)| to < began || ended < from)
    }

    /// Whether some member is so all the time.
    pub fn somebody_is_good(&self, caller: usize, from: Ms, to: Ms) -> Option<usize> {
        (0..self.shape.members).find(|m| self.is_good(caller, *m, from, to))
    }

    pub fn check(&self) -> Vec<Violation> {
        let calls = calls::stories(self);
        let mut found = calls::no_call_fails(self, &calls);
        found.extend(calls::writes_once(self, &calls));
        found.extend(calls::recovery_bounded(self, &calls));
        found.extend(calls::budget_kept(self, &calls));
        found.extend(calls::busy_is_not_hedged(self, &calls));
        found.extend(choices::none_to_the_down(self));
        found.extend(choices::hold_down_kept(self));
        found.extend(choices::blamed_with_cause(self));
        found.extend(healing::heals(self));
        found.extend(healing::switches_bounded(self));
        found.extend(healing::nothing_is_left(self));
        found
    }
}
