//! The log of revocations as this instance knows it: followed in the database, kept on disk so that
//! an instance that starts while the database is away still knows it, and told to whoever follows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evergate_model::id::Session;
use evergate_model::{Id, Timestamp};
use evergate_process::files;
use evergate_store::revocations::Revocation;
use evergate_store::{Store, StoreError, revocations};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::names;

/// The file in the instance's directory.
const FILE: &str = "revocations.json";
/// The log is read at least so often, whether or not the database seems to have changed.
const PERIOD: Duration = Duration::from_millis(250);
/// A log that was read so recently is as good as the database's.
const FRESH: Duration = Duration::from_secs(1);
/// How many entries are read at a time.
const PAGE: u32 = 1000;

/// What is known of the log.
#[derive(Debug)]
pub struct Log {
    known: Mutex<Known>,
    position: watch::Sender<u64>,
    read_at: Mutex<Option<Instant>>,
    wake: Notify,
    file: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Known {
    position: u64,
    entries: BTreeMap<u64, (Id<Session>, Timestamp)>,
    sessions: BTreeMap<Id<Session>, u64>,
}

/// The log on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    position: u64,
    entries: Vec<(u64, Id<Session>, Timestamp)>,
}

impl Log {
    /// The log as it was kept in `directory`; a file that cannot be read counts as none, since the
    /// database is read next.
    #[must_use]
    pub fn open(directory: Option<&Path>) -> Self {
        let file = directory.map(|directory| directory.join(FILE));
        let kept: Kept = file
            .as_deref()
            .and_then(|file| files::read_if_present(file).ok().flatten())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let mut known = Known::default();
        for (number, session, forget_at) in kept.entries {
            known.add(Revocation { number, session, forget_at });
        }
        known.position = kept.position;
        Self {
            position: watch::Sender::new(known.position),
            known: Mutex::new(known),
            read_at: Mutex::new(None),
            wake: Notify::new(),
            file,
        }
    }

    /// Whether a session was ended before its time.
    #[must_use]
    pub fn holds(&self, session: Id<Session>) -> bool {
        self.known().sessions.contains_key(&session)
    }

    /// The number up to which everything is known.
    #[must_use]
    pub fn position(&self) -> u64 {
        *self.position.borrow()
    }

    /// Follows [`Log::position`].
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    /// The entries above `after`, at most a thousand, and the number up to which that is all.
    #[must_use]
    pub fn after(&self, after: u64) -> (Vec<Revocation>, u64) {
        let known = self.known();
        let above = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        let entries: Vec<Revocation> = known
            .entries
            .range(above)
            .take(PAGE as usize)
            .map(|(number, (session, forget_at))| Revocation {
                number: *number,
                session: *session,
                forget_at: *forget_at,
            })
            .collect();
        let is_all = entries.len() < PAGE as usize;
        let last = entries.last().map_or(after, |entry| entry.number);
        (entries, if is_all { known.position.max(after) } else { last })
    }

    /// Whether the database was read a moment ago, so that silence means that nothing was revoked.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        let read_at = *self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        read_at.is_some_and(|at| at.elapsed() < FRESH)
    }

    /// Has the log read at once: something was just revoked here.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until the log should be read again.
    pub(crate) async fn due(&self, changed: impl Future<Output = ()>) {
        tokio::select! {
            () = self.wake.notified() => {}
            () = changed => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }

    /// Reads what is new.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read(&self, store: &Store) -> Result<(), StoreError> {
        let began = Instant::now();
        let mut connection = store.read().await?;
        // The position first: the entries up to it are all there when they are read.
        let end = revocations::position(&mut connection).await?;
        let mut after = self.position();
        if end < after {
            // The database was restored from a backup: what is known beyond it stays known, and
            // its own entries are read anew.
            tracing::warn!(known = after, database = end, "the revocation log went back");
            after = 0;
        }
        while after < end {
            let page = revocations::list(&mut connection, after, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            after = page.last().map_or(end, |last| last.number);
            let mut known = self.known();
            page.into_iter().for_each(|entry| known.add(entry));
            known.position = if is_last { end.max(after) } else { after };
            let position = known.position;
            drop(known);
            self.position.send_replace(position);
            if is_last {
                break;
            }
        }
        metrics::gauge!(names::LOG_POSITION).set(self.position() as f64);
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
        Ok(())
    }

    /// Writes the log to disk.
    pub(crate) fn keep(&self) {
        let Some(file) = &self.file else { return };
        let known = self.known();
        let entries = known.entries.iter().map(|(number, (session, at))| (*number, *session, *at)).collect();
        let kept = Kept { position: known.position, entries };
        drop(known);
        let written = serde_json::to_vec(&kept)
            .map_err(std::io::Error::from)
            .and_then(|bytes| files::write_private(file, &bytes));
        if let Err(error) = written {
            tracing::warn!(%error, file = %file.display(), "the revocation log cannot be kept on disk");
        }
    }

    /// Forgets entries whose sessions' tokens have all expired.
    pub(crate) fn forget(&self, now: Timestamp) {
        let mut known = self.known();
        known.entries.retain(|_, (_, forget_at)| *forget_at > now);
        let Known { entries, sessions, .. } = &mut *known;
        sessions.retain(|_, number| entries.contains_key(number));
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn add(&mut self, entry: Revocation) {
        self.entries.insert(entry.number, (entry.session, entry.forget_at));
        self.sessions.insert(entry.session, entry.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> Revocation {
        let mut random = [0; 10];
        random[2..].copy_from_slice(&number.to_be_bytes());
        let session = Id::new(Timestamp::from_seconds(1), random);
        Revocation { number, session, forget_at: Timestamp::from_seconds(100) }
    }

    fn log(entries: std::ops::RangeInclusive<u64>) -> Log {
        let log = Log::open(None);
        let mut known = log.known();
        entries.clone().for_each(|number| known.add(entry(number)));
        known.position = *entries.end();
        drop(known);
        log
    }

    #[test]
    fn a_follower_is_sent_pages_up_to_the_position() {
        let log = log(1..=1500);
        let (page, position) = log.after(0);
        assert_eq!((page.len(), position), (1000, 1000));
        let (page, position) = log.after(position);
        assert_eq!((page.len(), position), (500, 1500));
        assert_eq!(log.after(1500), (Vec::new(), 1500));
        assert_eq!(log.after(2000), (Vec::new(), 2000), "nobody is sent back");
    }

    #[test]
    fn entries_are_forgotten_when_their_tokens_have_expired() {
        let log = log(1..=3);
        assert!(log.holds(entry(2).session));
        log.forget(Timestamp::from_seconds(100));
        assert!(!log.holds(entry(2).session));
        assert_eq!(log.after(0), (Vec::new(), 3));
    }

    #[test]
    fn the_log_is_found_again_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(Some(directory.path()));
        log.known().add(entry(7));
        log.known().position = 9;
        log.keep();
        let again = Log::open(Some(directory.path()));
        assert!(again.holds(entry(7).session));
        assert_eq!(again.position(), 9);
        std::fs::write(directory.path().join(FILE), b"{").unwrap();
        assert_eq!(Log::open(Some(directory.path())).position(), 0);
    }
}
