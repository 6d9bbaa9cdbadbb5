//! Who holds how many connections: so many in all, and no peer more than half of them, so that one alone cannot keep
//! the others out. A peer is known by its certificate, or by its address where it has none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places for connections of peers.
#[derive(Debug)]
pub struct Places<Peer> {
    most: usize,
    held: Mutex<BTreeMap<Peer, usize>>,
}

/// A connection's place, free again when this is dropped.
#[derive(Debug)]
pub struct Place<Peer: Ord> {
    places: Arc<Places<Peer>>,
    peer: Peer,
}

impl<Peer: Ord + Clone> Places<Peer> {
    /// So many.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::new(BTreeMap::new()) })
    }

    /// A place for one more connection of `peer`; `None` where it has its share, or all are taken.
    pub fn enter(self: &Arc<Self>, peer: &Peer) -> Option<Place<Peer>> {
        let mut held = self.held();
        let (all, own) = (held.values().sum::<usize>(), held.get(peer).copied().unwrap_or(0));
        if all >= self.most || own >= self.most.div_ceil(2) {
            return None;
        }
        held.insert(peer.clone(), own + 1);
        drop(held);
        Some(Place { places: Arc::clone(self), peer: peer.clone() })
    }
}

impl<Peer> Places<Peer> {
    fn held(&self) -> MutexGuard<'_, BTreeMap<Peer, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Peer: Ord> Drop for Place<Peer> {
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

    #[test]
    fn one_peer_holds_at_most_half_and_all_of_them_no_more_than_there_are() {
        let places = Places::new(4);
        let (one, two, three) = ("access-point1", "policy1", "policy2");
        let mut held: Vec<Place<&str>> = (0..2).filter_map(|_| places.enter(&one)).collect();
        assert!(places.enter(&one).is_none(), "half are its own");
        held.extend((0..2).filter_map(|_| places.enter(&two)));
        assert!(held.len() == 4 && places.enter(&three).is_none(), "all are taken");
        held.truncate(3);
        assert!(places.enter(&three).is_some(), "and free again at once");
        drop(held);
        assert!(places.held().is_empty(), "nobody is remembered");
    }
}
