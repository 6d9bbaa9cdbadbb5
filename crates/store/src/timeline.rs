//! The highest timeline that was seen, kept across starts: a server that was replaced and comes back is
//! not believed, also by a process that has just started and reaches nobody else.
//!
//! Bound to the system identifier of PostgreSQL, so that a database made anew begins anew; what is known of another one is
//! not forgotten for that.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evergate_model::DatabaseTimeline;
use serde::Deserialize;
use tokio::sync::Notify;

/// The file's name in an instance's directory.
pub const FILE: &str = "database-timeline.json";
/// A longer file is none of ours.
const FILE_MAX: u64 = 4096;
/// So many PostgreSQL are remembered: that in use, and those before it. A restored installation has a new one.
const SYSTEMS: usize = 8;

/// Why what was remembered cannot be known.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read the database's timeline in `{}`\nhint: it says which PostgreSQL servers were replaced; remove it if \
     the one in use is the right one", file.display()
)]
pub struct MemoryError {
    file: PathBuf,
    #[source]
    source: io::Error,
}

/// What is remembered. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    file: Option<PathBuf>,
    state: Mutex<State>,
    raised: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Of each database that was in use here, the one that is or was last in the first place: the file.
    used: Vec<DatabaseTimeline>,
    /// What others said of databases that were not in use here, or not yet; the newest first.
    heard: Vec<DatabaseTimeline>,
    /// Whether the file has another.
    is_unwritten: bool,
}

impl State {
    fn highest(&self, system_identifier: u64) -> u32 {
        let of_it = self.used.iter().chain(&self.heard);
        let of_it = of_it.filter(|seen| seen.system_identifier == system_identifier);
        of_it.map(|seen| seen.timeline).max().unwrap_or(0)
    }
}

/// Puts what is known of one database in the first place.
fn put_first(list: &mut Vec<DatabaseTimeline>, seen: DatabaseTimeline) {
    list.retain(|other| other.system_identifier != seen.system_identifier);
    list.insert(0, seen);
    list.truncate(SYSTEMS);
}

impl Memory {
    /// A memory that is kept in the file of that directory.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub fn in_directory(directory: &Path) -> Result<Self, MemoryError> {
        let file = directory.join(FILE);
        let used = read_all(&file).map_err(|source| MemoryError { file: file.clone(), source })?;
        let state = Mutex::new(State { used, ..State::default() });
        Ok(Self(Arc::new(Inner { file: Some(file), state, raised: Notify::new() })))
    }

    /// What the instances of an installation's directory remember, not kept: for who opens their database
    /// beside them.
    ///
    /// # Errors
    /// When one of their files cannot be read.
    pub fn of_instances(directory: &Path) -> Result<Self, MemoryError> {
        let memory = Self::default();
        for (_, seen) in instances(directory)? {
            memory.believe(seen);
        }
        Ok(memory)
    }

    /// The highest timeline of the database in use, or of the one that was in use last.
    #[must_use]
    pub fn remembered(&self) -> Option<DatabaseTimeline> {
        self.state().used.first().copied()
    }

    /// Another instance saw that. Servers of that PostgreSQL on a lower timeline are not believed from
    /// now on; of another one this says nothing.
    pub fn believe(&self, seen: DatabaseTimeline) {
        let mut state = self.state();
        if state.highest(seen.system_identifier) >= seen.timeline {
            return;
        }
        match state.used.iter_mut().find(|used| used.system_identifier == seen.system_identifier) {
            Some(used) => {
                used.timeline = seen.timeline;
                self.write(&mut state);
            }
            None => put_first(&mut state.heard, seen),
        }
        drop(state);
        self.0.raised.notify_one();
    }

    /// Says what is remembered, whenever it is asked.
    pub fn reader(&self) -> impl Fn() -> Option<DatabaseTimeline> + Send + use<> {
        let memory = self.clone();
        move || memory.remembered()
    }

    /// Believes what it is told.
    pub fn believer(&self) -> impl Fn(DatabaseTimeline) + Send + use<> {
        let memory = self.clone();
        move |seen| memory.believe(seen)
    }

    /// The highest timeline of that PostgreSQL that was seen or heard of; 0: none.
    pub(crate) fn highest(&self, system_identifier: u64) -> u32 {
        self.state().highest(system_identifier)
    }

    /// That database is in use from now on. On disk when this returns, unless the disk is at fault: then
    /// it is tried again at the next call, and this process knows it.
    pub(crate) fn note(&self, used: DatabaseTimeline) {
        let mut state = self.state();
        let timeline = state.highest(used.system_identifier).max(used.timeline);
        let used = DatabaseTimeline { timeline, ..used };
        if state.used.first() != Some(&used) || state.is_unwritten {
            put_first(&mut state.used, used);
            self.write(&mut state);
        }
    }

    /// Waits until others said something new.
    pub(crate) async fn raised(&self) {
        self.0.raised.notified().await;
    }

    fn write(&self, state: &mut State) {
        let Some(file) = &self.0.file else { return };
        let written = replace(file, &state.used);
        if let Err(error) = &written
            && !state.is_unwritten
        {
            tracing::error!(%error, file = %file.display(), "the database's timeline cannot be kept");
        }
        state.is_unwritten = written.is_err();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What each instance of an installation's directory remembers, and in which file.
///
/// # Errors
/// When one of them cannot be read.
pub fn instances(directory: &Path) -> Result<Vec<(PathBuf, DatabaseTimeline)>, MemoryError> {
    let directory = directory.join("instances");
    let cannot = |file: &Path| {
        let file = file.to_owned();
        |source| MemoryError { file, source }
    };
    let entries = match std::fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(cannot(&directory))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let file = entry.map_err(cannot(&directory))?.path().join(FILE);
        found.extend(read(&file).map_err(cannot(&file))?.map(|seen| (file, seen)));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

/// What a file of that name says of the database that is in use or was last; `None` where there is none.
///
/// # Errors
/// When it cannot be read.
pub fn read(file: &Path) -> io::Result<Option<DatabaseTimeline>> {
    Ok(read_all(file)?.first().copied())
}

/// What a file holds: databases, or, as it was written once, the last one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    One(DatabaseTimeline),
    Several(Vec<DatabaseTimeline>),
}

fn read_all(file: &Path) -> io::Result<Vec<DatabaseTimeline>> {
    let opened = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    let mut content = Vec::new();
    opened.take(FILE_MAX).read_to_end(&mut content)?;
    let used = match serde_json::from_slice(&content)? {
        Kept::One(used) => vec![used],
        Kept::Several(used) => used,
    };
    match used.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, "it names no database")),
        false => Ok(used),
    }
}

/// Replaces the file whole, also when the power fails half-way.
fn replace(file: &Path, used: &[DatabaseTimeline]) -> io::Result<()> {
    let new = file.with_extension("json.new");
    let mut content = serde_json::to_vec(used)?;
    content.push(b'\n');
    let mut written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    written.write_all(&content)?;
    written.sync_all()?;
    std::fs::rename(&new, file)?;
    File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seen(system_identifier: u64, timeline: u32) -> DatabaseTimeline {
        DatabaseTimeline { system_identifier, timeline }
    }

    #[test]
    fn what_was_in_use_is_remembered_after_a_start() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::in_directory(directory.path()).unwrap();
        assert_eq!(memory.remembered(), None);
        memory.note(seen(u64::MAX, 3));
        memory.believe(seen(u64::MAX, 5));
        memory.note(seen(u64::MAX, 4));
        let again = Memory::in_directory(directory.path()).unwrap();
        assert_eq!(again.remembered(), Some(seen(u64::MAX, 5)));
        assert_eq!((again.highest(u64::MAX), again.highest(1)), (5, 0));
    }

    #[test]
    fn what_others_say_of_another_database_locks_nobody_out_and_is_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::in_directory(directory.path()).unwrap();
        memory.note(seen(1, 3));
        memory.believe(seen(2, 9));
        memory.believe(seen(2, 8));
        assert_eq!((memory.highest(1), memory.highest(2)), (3, 9));
        assert_eq!(Memory::in_directory(directory.path()).unwrap().highest(2), 0);
        // It is the one in use from now on: what was heard of it counts, and what was seen of the other is not forgotten.
        memory.note(seen(2, 7));
        assert_eq!(memory.remembered(), Some(seen(2, 9)));
        let again = Memory::in_directory(directory.path()).unwrap();
        assert_eq!((again.remembered(), again.highest(1)), (Some(seen(2, 9)), 3));
    }

    #[test]
    fn as_many_databases_are_remembered_as_fit_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::in_directory(directory.path()).unwrap();
        for system in 0..20 {
            memory.believe(seen(u64::MAX - 100 - system, u32::MAX));
            memory.note(seen(u64::MAX - system, u32::MAX));
        }
        let again = Memory::in_directory(directory.path()).unwrap();
        assert_eq!(again.highest(u64::MAX - 12), u32::MAX);
        assert_eq!((again.highest(u64::MAX - 11), memory.highest(u64::MAX - 100)), (0, 0));
    }

    #[test]
    fn what_was_heard_before_a_database_is_in_use_counts() {
        let memory = Memory::default();
        memory.believe(seen(1, 2));
        assert_eq!((memory.highest(1), memory.remembered()), (2, None));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_said_and_not_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        for content in ["", "{}", "[]", "[{\"system_identifier\": -1, \"timeline\": 1}]"] {
            std::fs::write(directory.path().join(FILE), content).unwrap();
            let error = Memory::in_directory(directory.path()).unwrap_err();
            assert!(error.to_string().contains("database-timeline.json`\nhint: "), "{error}");
        }
    }

    #[test]
    fn who_opens_the_database_beside_the_instances_goes_by_the_highest_of_theirs() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Memory::of_instances(directory.path()).unwrap().highest(1), 0);
        for (instance, timeline) in [("administration1", 2), ("distribution1", 3), ("policy1", 1)] {
            let own = directory.path().join("instances").join(instance);
            std::fs::create_dir_all(&own).unwrap();
            Memory::in_directory(&own).unwrap().note(seen(1, timeline));
        }
        std::fs::create_dir(directory.path().join("instances/access-point1")).unwrap();
        assert_eq!(Memory::of_instances(directory.path()).unwrap().highest(1), 3);
        let files = instances(directory.path()).unwrap();
        assert_eq!(files.iter().map(|(_, seen)| seen.timeline).collect::<Vec<_>>(), [2, 3, 1]);
        std::fs::write(directory.path().join("instances/policy1").join(FILE), "no").unwrap();
        assert!(Memory::of_instances(directory.path()).is_err());
    }

    #[test]
    fn a_disk_that_fails_is_tried_again_and_the_process_knows_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::in_directory(&directory.path().join("absent")).unwrap();
        memory.note(seen(1, 2));
        assert_eq!(memory.highest(1), 2);
        std::fs::create_dir(directory.path().join("absent")).unwrap();
        memory.note(seen(1, 2));
        let again = Memory::in_directory(&directory.path().join("absent")).unwrap();
        assert_eq!(again.remembered(), Some(seen(1, 2)));
    }
}
