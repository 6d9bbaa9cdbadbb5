//! Where an attempt starts, and whether the budget allows it.

use super::Shared;
use crate::engine::{Event, Member, MemberId, State as MemberState};
use crate::shell::dial::Dial;
use crate::shell::tell;

/// What a further attempt costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) enum Cost {
    /// Nothing: it is the first, or the one before reached nobody.
    Free,
    /// A repetition of what may have been acted upon, or whose member is under suspicion.
    Retry,
    /// A second question beside a first that will probably be answered.
    Hedge,
}

/// Whether and where an attempt started.
#[derive(Debug)]
pub(in crate::shell) enum Start {
    /// There; and what the member was taken to be.
    At(Member, MemberState),
    /// All were tried.
    Nobody,
    /// Somebody is left, but the budget is spent.
    TooMuch,
}

impl<D: Dial> Shared<D> {
    /// Chooses a member for a call and notes that an attempt started there, if the budget allows
    /// what it costs. Beside an attempt that still waits (`beside`) none is started at a member that
    /// is down.
    pub(in crate::shell) fn start(&self, tried: &[MemberId], beside: bool, cost: Cost) -> Start {
        let now = self.now();
        let mut state = self.lock();
        let chosen = self.options.chooser.choose(&state.engine, tried, now);
        let found = chosen.and_then(|id| Some((state.engine.state(&id)?, id)));
        let Some((found, id)) = found.filter(|(found, _)| !(beside && *found == MemberState::Down)) else {
            return Start::Nobody;
        };
        let is_affordable = match cost {
            Cost::Free => true,
            Cost::Retry => state.budget.retry(now),
            Cost::Hedge => {
                let is_promising = state.engine.is_well(&id, now) && !state.budget.is_busy(&id, now);
                state.budget.hedge(is_promising, now)
            }
        };
        if !is_affordable {
            return Start::TooMuch;
        }
        let Some(member) = state.engine.members().find(|member| member.id == id).cloned() else {
            return Start::Nobody;
        };
        let commands = state.engine.handle(Event::Started { member: id }, now);
        drop(state);
        tell::tell_again(&self.options.link, cost);
        self.tell(commands);
        Start::At(member, found)
    }
}
