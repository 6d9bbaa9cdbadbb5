//! One connection per member, made when first needed and shared by all its calls.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::dial::{Dial, DialError};
use crate::engine::{Member, MemberId};

/// A connection, with a number that tells it from the one that replaces it.
#[derive(Debug, Clone)]
pub(super) struct Numbered<L> {
    pub(super) link: L,
    pub(super) given_up: GivenUp,
    number: u64,
}

/// Whether a connection was given up: calls on it may still be answered, but others had better not
/// count on it.
#[derive(Debug, Clone, Default)]
pub(super) struct GivenUp(Arc<AtomicBool>);

impl GivenUp {
    pub(super) fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A connection in the making. Whoever waits for it drives it, and one who leaves does not end it:
/// the heartbeats wait for it in any case.
type Dialling<L> = Shared<BoxFuture<'static, Result<Numbered<L>, DialError>>>;

enum Slot<L> {
    Dialling(u64, Dialling<L>),
    Made(Numbered<L>),
}

type Key = (MemberId, Arc<str>);

struct Slots<L> {
    of: BTreeMap<Key, Slot<L>>,
    next_number: u64,
}

/// The connections of a pool.
pub(super) struct Links<D: Dial> {
    dial: Arc<D>,
    limit: Duration,
    slots: Mutex<Slots<D::Link>>,
}

impl<D: Dial> Links<D> {
    /// Connections that this dialler makes, each within `limit`.
    pub(super) fn new(dial: Arc<D>, limit: Duration) -> Self {
        Self { dial, limit, slots: Mutex::new(Slots { of: BTreeMap::new(), next_number: 0 }) }
    }

    /// The member's connection, dialled if there is none. Callers that wait for the same dial share
    /// its outcome.
    pub(super) async fn get(&self, member: &Member) -> Result<Numbered<D::Link>, DialError> {
        let (number, dialling) = {
            let mut slots = self.lock();
            match slots.of.get(&key(member)) {
                Some(Slot::Made(made)) => return Ok(made.clone()),
                Some(Slot::Dialling(number, dialling)) => (*number, dialling.clone()),
                None => {
                    slots.next_number += 1;
                    let number = slots.next_number;
                    let dialling = self.dial(member.clone(), number);
                    slots.of.insert(key(member), Slot::Dialling(number, dialling.clone()));
                    (number, dialling)
                }
            }
        };
        let outcome = dialling.await;
        self.settle(member, number, &outcome);
        outcome
    }

    fn dial(&self, member: Member, number: u64) -> Dialling<D::Link> {
        let (dial, limit) = (Arc::clone(&self.dial), self.limit);
        let dialling = async move {
            let outcome = tokio::time::timeout(limit, dial.dial(&member)).await;
            let link = outcome.unwrap_or(Err(DialError::TimedOut))?;
            Ok(Numbered { link, number, given_up: GivenUp::default() })
        };
        dialling.boxed().shared()
    }

    /// Notes how a dial ended, if nobody else did.
    fn settle(&self, member: &Member, number: u64, outcome: &Result<Numbered<D::Link>, DialError>) {
        let mut slots = self.lock();
        let is_open =
            matches!(slots.of.get(&key(member)), Some(Slot::Dialling(dialled, _)) if *dialled == number);
        match outcome {
            _ if !is_open => {}
            Ok(made) => drop(slots.of.insert(key(member), Slot::Made(made.clone()))),
            Err(_) => drop(slots.of.remove(&key(member))),
        }
    }

    /// Gives up a connection that broke or leads nowhere; whether this is news. One that has
    /// replaced it stays.
    pub(super) fn discard(&self, member: &Member, broken: &Numbered<D::Link>) -> bool {
        let was_given_up = broken.given_up.0.swap(true, Ordering::AcqRel);
        let mut slots = self.lock();
        let is_there =
            matches!(slots.of.get(&key(member)), Some(Slot::Made(made)) if made.number == broken.number);
        if is_there {
            slots.of.remove(&key(member));
        }
        !was_given_up
    }

    /// Forgets the connections of all who are not members.
    pub(super) fn retain(&self, members: &[Member]) {
        let is_member = |known: &Key| members.iter().any(|member| *known == key(member));
        self.lock().of.retain(|known, _| is_member(known));
    }

    fn lock(&self) -> MutexGuard<'_, Slots<D::Link>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(member: &Member) -> Key {
    (member.id.clone(), Arc::clone(&member.address))
}
