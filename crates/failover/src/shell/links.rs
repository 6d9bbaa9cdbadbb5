//! One connection per member, made when first needed and shared by all its calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::dial::{Dial, DialError};
use crate::engine::Member;

/// A connection, with a number that tells it from the one that replaces it.
#[derive(Debug, Clone)]
pub(super) struct Numbered<L> {
    pub(super) link: L,
    number: u64,
}

#[derive(Debug)]
struct Slot<L> {
    link: Option<Numbered<L>>,
    next_number: u64,
    last_failure: Option<(Instant, DialError)>,
}

type Key = (crate::MemberId, Arc<str>);
type SharedSlot<L> = Arc<tokio::sync::Mutex<Slot<L>>>;

/// The connections of a pool.
#[derive(Debug)]
pub(super) struct Links<L> {
    slots: Mutex<BTreeMap<Key, SharedSlot<L>>>,
}

impl<L: Clone + Send> Links<L> {
    pub(super) fn new() -> Self {
        Self { slots: Mutex::new(BTreeMap::new()) }
    }

    /// The member's connection, dialled if there is none. Callers that wait for the same dial share
    /// its outcome.
    pub(super) async fn get<D: Dial<Link = L>>(
        &self,
        dial: &D,
        member: &Member,
        limit: Duration,
    ) -> Result<Numbered<L>, DialError> {
        let asked = Instant::now();
        let slot = self.slot(member);
        let mut slot = slot.lock().await;
        if let Some(link) = &slot.link {
            return Ok(link.clone());
        }
        if let Some((at, error)) = &slot.last_failure
            && *at > asked
        {
            return Err(error.clone());
        }
        match tokio::time::timeout(limit, dial.dial(member)).await.unwrap_or(Err(DialError::TimedOut)) {
            Ok(link) => {
                slot.next_number += 1;
                let numbered = Numbered { link, number: slot.next_number };
                slot.link = Some(numbered.clone());
                Ok(numbered)
            }
            Err(error) => {
                slot.last_failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets a connection that broke, unless another has replaced it.
    pub(super) async fn discard(&self, member: &Member, broken: &Numbered<L>) {
        let slot = self.slot(member);
        let mut slot = slot.lock().await;
        if slot.link.as_ref().is_some_and(|link| link.number == broken.number) {
            slot.link = None;
        }
    }

    /// Forgets the connections of all who are not members.
    pub(super) fn retain(&self, members: &[Member]) {
        let is_member =
            |key: &Key| members.iter().any(|member| key.0 == member.id && key.1 == member.address);
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| is_member(key));
    }

    fn slot(&self, member: &Member) -> SharedSlot<L> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = || Slot { link: None, next_number: 0, last_failure: None };
        let key = (member.id.clone(), Arc::clone(&member.address));
        Arc::clone(slots.entry(key).or_insert_with(|| Arc::new(tokio::sync::Mutex::new(empty()))))
    }
}
