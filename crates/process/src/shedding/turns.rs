//! Whose turn it is: those who wait, in one queue for each caller. Places are given by turns, one caller after
//! another, and where there is no room to wait, the longest queue loses its newest. So a caller alone may use
//! everything, and one that sends without measure (an access point that has been taken over) keeps nobody else from
//! being served. (Longest queue drop: Suter, Lakshman, Stiliadis, Choudhury, INFOCOM 1998.)

use std::collections::{BTreeMap, VecDeque};

/// The places, those who work in them, and the queues. `Who` is a caller, `T` what a waiter is called by.
#[derive(Debug)]
pub(super) struct Turns<Who, T> {
    most_running: usize,
    most_waiting: usize,
    running: usize,
    waiting: usize,
    queues: BTreeMap<Who, VecDeque<(Ticket, T)>>,
    /// The callers with a queue, the next one first.
    order: VecDeque<Who>,
    next: Ticket,
}

/// Tells one waiter from all others.
pub(super) type Ticket = u64;

/// What becomes of one who comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<T> {
    /// It has a place.
    Runs,
    /// It waits, perhaps instead of another, who is to be told that there is no room.
    Waits { ticket: Ticket, instead_of: Option<T> },
    /// There is no room.
    Full,
}

impl<Who: Ord + Clone, T> Turns<Who, T> {
    pub(super) const fn new(most_running: usize, most_waiting: usize) -> Self {
        Self {
            most_running,
            most_waiting,
            running: 0,
            waiting: 0,
            queues: BTreeMap::new(),
            order: VecDeque::new(),
            next: 0,
        }
    }

    /// Somebody comes.
    pub(super) fn enter(&mut self, who: &Who, call: T) -> Entry<T> {
        if self.running < self.most_running {
            self.running += 1;
            return Entry::Runs;
        }
        let mut instead_of = None;
        if self.waiting >= self.most_waiting {
            let own = self.queues.get(who).map_or(0, VecDeque::len);
            match self.newest_of_the_longest(own) {
                Some(call) => instead_of = Some(call),
                None => return Entry::Full,
            }
        }
        let ticket = self.next;
        self.next += 1;
        self.waiting += 1;
        let queue = self.queues.entry(who.clone()).or_default();
        if queue.is_empty() {
            self.order.push_back(who.clone());
        }
        queue.push_back((ticket, call));
        Entry::Waits { ticket, instead_of }
    }

    /// Takes out the newest of the longest queue, if that is longer than a queue of `own` and one more would be.
    fn newest_of_the_longest(&mut self, own: usize) -> Option<T> {
        let (_, longest) = self.queues.iter_mut().max_by_key(|(_, queue)| queue.len())?;
        if longest.len() <= own + 1 {
            return None;
        }
        let (_, call) = longest.pop_back()?;
        self.waiting -= 1;
        Some(call)
    }

    /// Somebody leaves a place. Whoever is returned has it now.
    pub(super) fn leave(&mut self) -> Option<T> {
        let Some(call) = self.take_next() else {
            self.running = self.running.saturating_sub(1);
            return None;
        };
        Some(call)
    }

    fn take_next(&mut self) -> Option<T> {
        let who = self.order.pop_front()?;
        let queue = self.queues.get_mut(&who)?;
        let (_, call) = queue.pop_front()?;
        self.waiting -= 1;
        if queue.is_empty() {
            self.queues.remove(&who);
        } else {
            self.order.push_back(who);
        }
        Some(call)
    }

    /// Somebody waits no more; false if it was no longer waiting.
    pub(super) fn give_up(&mut self, who: &Who, ticket: Ticket) -> bool {
        let Some(queue) = self.queues.get_mut(who) else { return false };
        // Tickets only grow, and whoever comes last stands last.
        let Ok(at) = queue.binary_search_by_key(&ticket, |(ticket, _)| *ticket) else { return false };
        queue.remove(at);
        self.waiting -= 1;
        if queue.is_empty() {
            self.queues.remove(who);
            self.order.retain(|each| each != who);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One place, four may wait; each comes with its own name and number.
    fn full_of(who: &'static str) -> Turns<&'static str, u32> {
        let mut turns = Turns::new(1, 4);
        assert_eq!(turns.enter(&who, 0), Entry::Runs);
        for number in 1..=4 {
            assert!(matches!(turns.enter(&who, number), Entry::Waits { instead_of: None, .. }));
        }
        turns
    }

    #[test]
    fn one_alone_may_fill_everything_and_no_more() {
        assert_eq!(full_of("a").enter(&"a", 5), Entry::Full);
    }

    #[test]
    fn where_all_is_full_the_longest_queue_loses_its_newest_down_to_an_even_share() {
        let mut turns = full_of("a");
        assert!(matches!(turns.enter(&"b", 10), Entry::Waits { instead_of: Some(4), .. }));
        assert!(matches!(turns.enter(&"b", 11), Entry::Waits { instead_of: Some(3), .. }));
        assert_eq!(turns.enter(&"b", 12), Entry::Full, "two and two");
        assert_eq!(turns.enter(&"a", 5), Entry::Full);
        assert!(matches!(turns.enter(&"c", 20), Entry::Waits { instead_of: Some(_), .. }));
    }

    #[test]
    fn places_are_given_by_turns_and_each_callers_own_in_order() {
        let mut turns = full_of("a");
        turns.enter(&"b", 10);
        turns.enter(&"b", 11);
        let given: Vec<u32> = std::iter::from_fn(|| turns.leave()).collect();
        assert_eq!(given, [1, 10, 2, 11]);
        assert_eq!(turns.enter(&"c", 20), Entry::Runs, "the place was left");
    }

    #[test]
    fn who_gives_up_leaves_its_room_and_no_turn_is_lost() {
        let mut turns = full_of("a");
        let Entry::Waits { ticket, .. } = turns.enter(&"b", 10) else { panic!("room by the longest queue") };
        assert!(turns.give_up(&"b", ticket));
        assert!(!turns.give_up(&"b", ticket), "once");
        assert!(matches!(turns.enter(&"a", 5), Entry::Waits { instead_of: None, .. }));
        let given: Vec<u32> = std::iter::from_fn(|| turns.leave()).collect();
        assert_eq!(given, [1, 2, 3, 5]);
    }

    #[test]
    fn counts_agree_with_queues_whatever_happens() {
        let mut turns = Turns::new(3, 7);
        let (mut waiting, mut running) = (Vec::new(), 0_usize);
        // A linear congruential generator: the same walk each time.
        let mut chance = 1_u64;
        for number in 0..20_000_u64 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let who = (chance >> 33) % 4;
            match (chance >> 60) % 3 {
                0 if running > 0 => match turns.leave() {
                    Some(call) => waiting.retain(|(_, _, each)| *each != call),
                    None => running -= 1,
                },
                1 if !waiting.is_empty() => {
                    let (who, ticket, _) = waiting.remove((chance >> 40) as usize % waiting.len());
                    assert!(turns.give_up(&who, ticket));
                }
                _ => match turns.enter(&who, number) {
                    Entry::Runs => running += 1,
                    Entry::Waits { ticket, instead_of } => {
                        waiting.retain(|(_, _, each)| Some(*each) != instead_of);
                        waiting.push((who, ticket, number));
                    }
                    Entry::Full => assert_eq!(waiting.len(), 7),
                },
            }
            assert_eq!((turns.running, turns.waiting), (running, waiting.len()));
            assert_eq!(turns.queues.values().map(VecDeque::len).sum::<usize>(), waiting.len());
            assert_eq!(turns.order.len(), turns.queues.len());
            assert!(running <= 3 && waiting.len() <= 7 && (running == 3 || waiting.is_empty()));
        }
    }
}
