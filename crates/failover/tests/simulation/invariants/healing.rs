//! What must hold when all faults are over.

use evergate_failover::engine::State;

use super::{Invariant, Run, Violation};
use crate::Ms;
use crate::faults::{LAST, Spell};
use crate::record::{Entry, MOST};

/// A caller when the world ends.
#[derive(Debug, Clone)]
pub struct Final {
    /// When it preferred the primary and held nobody down, for the first time after the faults.
    pub healed: Option<Ms>,
    pub in_flight: u32,
    pub status: String,
}

/// A heartbeat, a dial into silence, a connection that leads nowhere.
const NOTICED: Ms = 3_000;

/// A member that is slow is left for 1, 2, 4 and 8 s: that outlasts every fault here.
const TIMES_SLOW: u32 = 4;
/// The longest hold-down.
const LONGEST: Ms = 300_000;

/// When every hold-down must be over: design.md section 5 doubles 10 s for each fall, and 1 s for
/// each time that a member was suspect, or slow.
fn promised(run: &Run<'_>, caller: usize) -> Ms {
    let (mut falls, mut doubts, mut promised) = ([0_u32; MOST], [TIMES_SLOW; MOST], LAST + NOTICED);
    for (at, entry) in run.entries {
        match *entry {
            Entry::Made { caller: c } if c == caller => (falls, doubts) = ([0; MOST], [TIMES_SLOW; MOST]),
            Entry::Changed { caller: c, member, from, to, .. } if c == caller => match to {
                State::Down => falls[member] += 1,
                State::Suspect => doubts[member] += 1,
                State::Up => {
                    let (hold, times) =
                        if from == State::Down { (10_000, falls[member]) } else { (1_000, doubts[member]) };
                    let hold = (hold << times.saturating_sub(1).min(10)).min(LONGEST);
                    promised = promised.max(at + hold + 1_000);
                }
                State::Draining => {}
            },
            _ => {}
        }
    }
    let slow = run.spells.iter().filter(|spell| spell.may_seem_slow()).map(|spell| spell.to + NOTICED).max();
    let longest = doubts.iter().map(|doubts| (1_000 << doubts.min(&10)).min(LONGEST)).max().unwrap();
    promised.max(slow.map_or(0, |at| at + longest))
}

pub fn heals(run: &Run<'_>) -> Vec<Violation> {
    let is_late =
        |caller: usize, each: &Final| each.healed.is_none_or(|healed| healed > promised(run, caller));
    let late = run.finals.iter().enumerate().filter(|(caller, each)| is_late(*caller, each));
    let told = late.map(|(caller, each)| Violation {
        invariant: Invariant::Heals,
        at: promised(run, caller),
        what: format!("caller {caller} healed at {:?} ms: {}", each.healed, each.status),
    });
    told.collect()
}

/// Away when it is suspected, again when it is known, and back, for each fault; and there and back each
/// second while it is not clear whether a member is well: among three who may all be slow, to each of
/// the others, since each is left for its own time (design.md section 5 has no number for this).
pub fn switches_bounded(run: &Run<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for caller in 0..run.shape.callers {
        let switches = run
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::FailedOver { caller: c, .. } if *c == caller));
        let of_spell = |spell: &Spell| {
            let touches = |m: &usize| spell.may_be_suspected() && spell.troubles(caller, *m).is_some();
            let touched = u64::try_from((0..run.shape.members).filter(touches).count()).unwrap();
            let others = touched.max(2) - 1;
            let seconds = (spell.to - spell.from).div_ceil(1_000);
            let again = if spell.is_ambiguous() { 2 * seconds * others } else { 0 };
            if touched > 0 { 3 + again } else { 0 }
        };
        let (switches, bound) = (switches.count(), run.spells.iter().map(of_spell).sum::<u64>());
        if u64::try_from(switches).unwrap() > bound {
            let what = format!("caller {caller} changed {switches} times, not {bound}");
            found.push(Violation { invariant: Invariant::SwitchesBounded, at: 0, what });
        }
    }
    found
}

pub fn nothing_is_left(run: &Run<'_>) -> Vec<Violation> {
    let left = run.finals.iter().filter(|each| each.in_flight > 0);
    let told = left.map(|each| Violation {
        invariant: Invariant::NothingIsLeft,
        at: 0,
        what: format!("{} in flight", each.in_flight),
    });
    told.collect()
}
