//! When sessions were used last: heard of at each decision and from access points, written in
//! batches.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evergate_model::id::Session;
use evergate_model::{Id, Timestamp};

/// A later time is written when it is later by so much: sessions in use cost few writes.
const GRAIN: Duration = Duration::from_secs(15);
/// More sessions than that are not remembered between two batches.
const MOST: usize = 100_000;

/// What has been heard, and what of it has been written.
#[derive(Debug, Default)]
pub struct Activity(Mutex<BTreeMap<Id<Session>, Seen>>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Timestamp,
    written: Timestamp,
}

impl Activity {
    /// A session was used; `written` is what the database is known to hold.
    pub fn touch(&self, session: Id<Session>, at: Timestamp, written: Option<Timestamp>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST && !seen.contains_key(&session) {
            return;
        }
        let entry = seen.entry(session).or_insert(Seen { at, written: Timestamp::MIN });
        entry.at = entry.at.max(at);
        entry.written = entry.written.max(written.unwrap_or(Timestamp::MIN));
    }

    /// When a session was used last, as far as this instance has heard.
    #[must_use]
    pub fn last_seen(&self, session: Id<Session>) -> Option<Timestamp> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&session).map(|seen| seen.at)
    }

    /// What should be written.
    #[must_use]
    pub fn due(&self) -> Vec<(Id<Session>, Timestamp)> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .filter(|(_, seen)| seen.at > seen.written.plus(GRAIN) || seen.written == Timestamp::MIN)
            .map(|(session, seen)| (*session, seen.at))
            .collect()
    }

    /// That much has been written. Sessions not heard of since `before` are left to the database.
    pub fn written(&self, batch: &[(Id<Session>, Timestamp)], before: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (session, at) in batch {
            if let Some(seen) = seen.get_mut(session) {
                seen.written = seen.written.max(*at);
            }
        }
        seen.retain(|_, seen| seen.at >= before || seen.at > seen.written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u8) -> Id<Session> {
        Id::new(Timestamp::from_seconds(1), [number; 10])
    }

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_session_in_use_is_written_seldom() {
        let activity = Activity::default();
        activity.touch(session(1), at(100), Some(at(90)));
        assert_eq!(activity.due(), []);
        activity.touch(session(1), at(106), Some(at(90)));
        assert_eq!(activity.due(), [(session(1), at(106))]);
        activity.written(&activity.due(), at(0));
        activity.touch(session(1), at(120), None);
        assert_eq!(activity.due(), []);
        assert_eq!(activity.last_seen(session(1)), Some(at(120)));
    }

    #[test]
    fn what_is_written_and_old_is_forgotten_and_nothing_else() {
        let activity = Activity::default();
        activity.touch(session(1), at(100), Some(at(100)));
        activity.touch(session(2), at(100), Some(at(50)));
        activity.written(&[], at(200));
        assert_eq!(activity.last_seen(session(1)), None);
        assert_eq!(activity.last_seen(session(2)), Some(at(100)));
    }
}
