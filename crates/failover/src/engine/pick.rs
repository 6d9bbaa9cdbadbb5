//! Who gets the next call.

use evergate_model::Timestamp;
use evergate_model::topology::Mode;

use super::standing::Standing;
use super::{Engine, MemberId, State};

/// How willingly a member is chosen: the lower, the more. Members of equal rank share the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    class: Class,
    /// Of those held down, and of those that are slow, the one that rose first keeps the calls: none
    /// is preferred to it.
    rose: Timestamp,
    priority: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Preferred,
    /// Nothing is known of it yet.
    Unproven,
    /// Up, but not yet steady for long enough: blocks preference, never need.
    HeldDown,
    /// Up, but its calls are overdue again and again: worse than one of which nothing bad is known
    /// but that it was away.
    Slow,
    Suspect,
    Draining,
    Down,
}

impl Engine {
    /// The member that gets the next call: of the best rank that is not in `tried`, the less loaded
    /// of two that `random` chooses. `None` only when every member was tried: while something might
    /// answer, it is offered.
    #[must_use]
    pub fn pick(&self, tried: &[MemberId], random: u64, now: Timestamp) -> Option<MemberId> {
        let untried = || self.members.iter().filter(|standing| !tried.contains(&standing.member.id));
        let rank = |standing: &Standing| {
            let is_due = standing.is_due_for_trial(&self.settings, now);
            if is_due { self.rank_as(Class::Preferred, standing) } else { self.rank(standing, now) }
        };
        let best = untried().map(rank).min()?;
        let group: Vec<&Standing> = untried().filter(|standing| rank(standing) == best).collect();
        less_loaded_of_two(&group, random).map(|standing| standing.member.id.clone())
    }

    /// The members that share the calls now, in their order; none if all are down.
    pub(super) fn serving_at(&self, now: Timestamp) -> Vec<MemberId> {
        let alive = || self.members.iter().filter(|standing| standing.state != State::Down);
        let Some(best) = alive().map(|standing| self.rank(standing, now)).min() else { return Vec::new() };
        alive()
            .filter(|standing| self.rank(standing, now) == best)
            .map(|standing| standing.member.id.clone())
            .collect()
    }

    fn rank(&self, standing: &Standing, now: Timestamp) -> Rank {
        let class = match standing.state {
            State::Up if standing.is_held_for_slowness_at(now) => Class::Slow,
            State::Up if standing.is_held_at(now) => Class::HeldDown,
            State::Up if standing.proven_since.is_none() => Class::Unproven,
            State::Up => Class::Preferred,
            State::Suspect => Class::Suspect,
            State::Draining => Class::Draining,
            State::Down => Class::Down,
        };
        self.rank_as(class, standing)
    }

    fn rank_as(&self, class: Class, standing: &Standing) -> Rank {
        match self.mode {
            Mode::Balance => Rank { class, rose: Timestamp::MIN, priority: 0 },
            Mode::Failover => {
                let is_left = matches!(class, Class::HeldDown | Class::Slow);
                let rose = if is_left { standing.since } else { Timestamp::MIN };
                Rank { class, rose, priority: standing.member.priority }
            }
        }
    }
}

/// "The power of two random choices" (Mitzenmacher, 2001): nearly as even as looking at all, and
/// callers that know little of each other do not all run to the same member.
fn less_loaded_of_two<'a>(group: &[&'a Standing], random: u64) -> Option<&'a Standing> {
    let count = u64::try_from(group.len()).ok()?;
    let first = (random & 0xffff_ffff).checked_rem(count)?;
    let others = count - 1;
    let second = (random >> 32).checked_rem(others).map_or(first, |step| (first + 1 + step) % count);
    let at = |index: u64| usize::try_from(index).ok().and_then(|index| group.get(index)).copied();
    let (first, second) = (at(first)?, at(second)?);
    Some(if second.counts.in_flight < first.counts.in_flight { second } else { first })
}
