//! Who holds how many connections: so many in all, and no peer more than half of them, so that one that has been
//! taken over cannot keep the others out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evergate_model::Name;

/// The places for connections whose peer is known.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    held: Mutex<BTreeMap<Name, usize>>,
}

/// A connection's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    peer: Name,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default() })
    }

    /// A place for one more connection of `peer`; `None` where it has its share, or all are taken.
    pub(super) fn enter(self: &Arc<Self>, peer: &Name) -> Option<Place> {
        let mut held = self.held();
        let (all, own) = (held.values().sum::<usize>(), held.get(peer).copied().unwrap_or(0));
        if all >= self.most || own >= self.most.div_ceil(2) {
            return None;
        }
        held.insert(peer.clone(), own + 1);
        drop(held);
        Some(Place { places: Arc::clone(self), peer: peer.clone() })
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Name, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        match held.get_mut(&self.peer) {
            Some(own) if *own > 1 => *own -= 1,
            _ => _ = held.remove(&self.peer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn one_peer_holds_at_most_half_and_all_of_them_no_more_than_there_are() {
        let places = Places::new(4);
        let (one, two, three) = (name("access-point1"), name("policy1"), name("policy2"));
        let mut held: Vec<Place> = (0..2).filter_map(|_| places.enter(&one)).collect();
        assert!(places.enter(&one).is_none(), "half are its own");
        held.extend((0..2).filter_map(|_| places.enter(&two)));
        assert!(held.len() == 4 && places.enter(&three).is_none(), "all are taken");
        held.truncate(3);
        assert!(places.enter(&three).is_some(), "and free again at once");
        drop(held);
        assert!(places.held().is_empty(), "nobody is remembered");
    }
}
