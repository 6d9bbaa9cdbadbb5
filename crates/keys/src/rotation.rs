//! How a key is replaced without anybody being refused: the next one is made known to all who
//! must know it, only then used, and the old one is kept for as long as what it made may come back.
//!
//! Pure: what is to be done follows from the bundle, an event and the time. The stages are the
//! keys' own states, so nothing else has to be remembered, and a new leader goes on where the old
//! one died.

use std::time::Duration;

use evergate_model::id::Key;
use evergate_model::{Id, Timestamp};

use crate::{KeyBundle, KeyState, Purpose};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A rotation was asked for, or is due.
    Begin,
    /// A rotation was asked for because the key may be known to others: no overlap.
    Emergency,
    /// All who use or verify these keys run with this generation of the bundle or a later one.
    Confirmed {
        /// The lowest generation among them.
        generation: u64,
    },
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Make a key.
    Add {
        /// What for.
        purpose: Purpose,
        /// In which state it begins.
        state: KeyState,
    },
    /// Use this key from now on.
    Activate(Id<Key>),
    /// Use this key for what it made only.
    Retire(Id<Key>),
    /// Remove this key.
    Forget(Id<Key>),
}

/// How long a retired key is kept, `sessions` being the longest life of a session; `None`: for
/// ever, because what lies in the database was made with it.
const fn retention(purpose: Purpose, sessions: Duration) -> Option<Duration> {
    match purpose {
        Purpose::SessionToken => Some(sessions),
        Purpose::Assertion => Some(Duration::from_secs(10 * 60)),
        Purpose::ProgressSealing => Some(Duration::from_secs(30 * 60)),
        // messages are tried for a day
        Purpose::EnrolmentSealing => Some(Duration::from_secs(3 * 86_400)),
        // an instance that was away for so long needs a new bootstrap file
        Purpose::Snapshot => Some(Duration::from_secs(90 * 86_400)),
        Purpose::SeedOpening | Purpose::CodeMac => None,
    }
}

/// What is to be done about the keys of one purpose, `sessions` being the longest life of a
/// session. [`KeyBundle::apply`] does it.
#[must_use]
pub fn handle(
    bundle: &KeyBundle,
    purpose: Purpose,
    event: Event,
    now: Timestamp,
    sessions: Duration,
) -> Vec<Command> {
    let retention = retention(purpose, sessions);
    match event {
        Event::Begin if ids(bundle, purpose, KeyState::Next).next().is_none() => {
            vec![Command::Add { purpose, state: KeyState::Next }]
        }
        Event::Begin => Vec::new(),
        Event::Emergency => replace_at_once(bundle, purpose, retention),
        Event::Confirmed { generation } => activate(bundle, purpose, generation),
        Event::Tick => forget_what_is_over(bundle, purpose, now, retention),
    }
}

fn activate(bundle: &KeyBundle, purpose: Purpose, generation: u64) -> Vec<Command> {
    let is_known =
        |id: &Id<Key>| bundle.keys.iter().any(|key| key.id == *id && key.since_generation <= generation);
    let Some(next) = ids(bundle, purpose, KeyState::Next).find(is_known) else { return Vec::new() };
    let retired = ids(bundle, purpose, KeyState::Active).map(Command::Retire);
    retired.chain([Command::Activate(next)]).collect()
}

/// Keys that made what lies in the database stay; all others must not be believed any more.
fn replace_at_once(bundle: &KeyBundle, purpose: Purpose, retention: Option<Duration>) -> Vec<Command> {
    let end = |id| if retention.is_some() { Command::Forget(id) } else { Command::Retire(id) };
    let added = Command::Add { purpose, state: KeyState::Active };
    bundle.of(purpose).map(|key| end(key.id)).chain([added]).collect()
}

fn forget_what_is_over(
    bundle: &KeyBundle,
    purpose: Purpose,
    now: Timestamp,
    retention: Option<Duration>,
) -> Vec<Command> {
    let Some(retention) = retention else { return Vec::new() };
    let retired = bundle.of(purpose).filter(|key| key.state == KeyState::Retired);
    retired.filter(|key| key.since.plus(retention) <= now).map(|key| Command::Forget(key.id)).collect()
}

fn ids(bundle: &KeyBundle, purpose: Purpose, state: KeyState) -> impl Iterator<Item = Id<Key>> {
    bundle.of(purpose).filter(move |key| key.state == state).map(|key| key.id)
}

#[cfg(test)]
mod tests {
    use evergate_model::Service;
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const KEPT: Duration = Duration::from_secs(100);
    const PURPOSE: Purpose = Purpose::SessionToken;

    fn step(bundle: &mut KeyBundle, event: Event, now: Timestamp) -> Vec<Command> {
        let commands = handle(bundle, PURPOSE, event, now, KEPT);
        bundle.apply(&commands, now);
        commands
    }

    fn states(bundle: &KeyBundle) -> Vec<KeyState> {
        bundle.of(PURPOSE).map(|key| key.state).collect()
    }

    #[test]
    fn a_key_is_announced_then_used_then_its_predecessor_forgotten() {
        use KeyState::{Active, Next, Retired};
        let mut bundle = KeyBundle::generate(Service::Policy, START);
        step(&mut bundle, Event::Begin, START);
        assert_eq!(states(&bundle), [Active, Next]);
        assert_eq!(step(&mut bundle, Event::Confirmed { generation: 1 }, START), [], "not known to all");
        step(&mut bundle, Event::Confirmed { generation: 2 }, START);
        assert_eq!(states(&bundle), [Retired, Active]);
        assert_eq!(step(&mut bundle, Event::Tick, START.plus(Duration::from_secs(99))), []);
        step(&mut bundle, Event::Tick, START.plus(Duration::from_secs(100)));
        assert_eq!(states(&bundle), [Active]);
        assert_eq!(bundle.generation, 4);
    }

    #[test]
    fn an_emergency_leaves_nothing_of_before() {
        let mut bundle = KeyBundle::generate(Service::Policy, START);
        step(&mut bundle, Event::Begin, START);
        let before: Vec<_> = bundle.of(PURPOSE).map(|key| key.id).collect();
        step(&mut bundle, Event::Emergency, START);
        assert_eq!(states(&bundle), [KeyState::Active]);
        assert!(bundle.of(PURPOSE).all(|key| !before.contains(&key.id)));
    }

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Begin),
            Just(Event::Emergency),
            (0_u64..20).prop_map(|generation| Event::Confirmed { generation }),
            Just(Event::Tick),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_exactly_one_key_is_active_and_no_other_purpose_is_touched(
            events in proptest::collection::vec((events(), 0_u64..200), 0..40),
        ) {
            let mut bundle = KeyBundle::generate(Service::Policy, START);
            let other: Vec<_> = bundle.of(Purpose::Assertion).cloned().collect();
            let mut now = START;
            for (event, seconds) in events {
                now = now.plus(Duration::from_secs(seconds));
                let next = bundle.of(PURPOSE).find(|key| key.state == KeyState::Next).cloned();
                step(&mut bundle, event, now);
                let active: Vec<_> = ids(&bundle, PURPOSE, KeyState::Active).collect();
                prop_assert_eq!(active.len(), 1);
                prop_assert!(ids(&bundle, PURPOSE, KeyState::Next).count() <= 1);
                if let (Event::Confirmed { generation }, Some(next)) = (event, next) {
                    let is_used = active.first() == Some(&next.id);
                    prop_assert_eq!(is_used, next.since_generation <= generation);
                }
            }
            prop_assert_eq!(bundle.of(Purpose::Assertion).cloned().collect::<Vec<_>>(), other);
        }
    }
}
