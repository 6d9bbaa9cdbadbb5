//! The directory of an installation: ours, writable, with room, and nobody else's at the moment.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use evergate_process::files;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;

use crate::failure::hinted;

/// Less room than this is not enough to start with.
const ROOM: u64 = 32 << 20;
const LOCK: &str = "lock";
const LOGS: &str = "logs";
/// The directories in it.
const INNER: [&str; 3] = [LOGS, "instances", "mail"];

/// A directory that this process alone works on, until it ends.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// It was not there before.
    is_new: bool,
    /// Given back by the system when this process ends, however it ends.
    _lock: Flock<File>,
}

impl Directory {
    /// Makes the directory if need be and takes its lock.
    pub(crate) fn take(wanted: &Path) -> anyhow::Result<Self> {
        let is_new = !wanted.exists();
        files::make_private_directory(wanted)
            .with_context(|| format!("cannot make the directory `{}`", wanted.display()))?;
        let path = wanted
            .canonicalize()
            .with_context(|| format!("cannot find the directory `{}`", wanted.display()))?;
        if !is_new {
            refuse_foreign(&path)?;
        }
        let lock = lock(&path)?;
        refuse_full(&path)?;
        let directory = Self { path, is_new, _lock: lock };
        for inner in INNER.map(|name| directory.path.join(name)) {
            files::make_private_directory(&inner)
                .with_context(|| format!("cannot make the directory `{}`", inner.display()))?;
        }
        Ok(directory)
    }

    /// The process that says in the lock's file that it has the directory: believed only of a lock that is held.
    pub(crate) fn holder(directory: &Path) -> Option<u32> {
        std::fs::read_to_string(directory.join(LOCK)).ok()?.trim().parse().ok()
    }

    /// Its absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the logs are.
    pub(super) fn logs(&self) -> PathBuf {
        self.path.join(LOGS)
    }

    /// Takes away what [`Directory::take`] has made, if nothing has been put into it.
    fn remove_if_unused(&self) -> io::Result<()> {
        for inner in INNER.map(|name| self.path.join(name)) {
            std::fs::remove_dir(inner)?;
        }
        let others =
            std::fs::read_dir(&self.path)?.filter_map(Result::ok).any(|entry| entry.file_name() != LOCK);
        if others {
            return Ok(());
        }
        std::fs::remove_file(self.path.join(LOCK))?;
        std::fs::remove_dir(&self.path)
    }
}

impl Drop for Directory {
    /// A start that failed before anything was set up leaves nothing behind; one that failed later is
    /// finished by the next.
    fn drop(&mut self) {
        if self.is_new {
            // What cannot be removed is used, or stands in nobody's way.
            drop(self.remove_if_unused());
        }
    }
}

/// Nothing is written into a directory that holds somebody else's files.
fn refuse_foreign(path: &Path) -> anyhow::Result<()> {
    let entries =
        std::fs::read_dir(path).with_context(|| format!("cannot read the directory `{}`", path.display()))?;
    let is_empty = entries.map_while(Result::ok).next().is_none();
    if is_empty || path.join(LOCK).exists() {
        return Ok(());
    }
    Err(hinted(
        format!("`{}` is not empty, and Evergate did not make what is in it", path.display()),
        "choose a new directory with --data",
    ))
}

fn lock(directory: &Path) -> anyhow::Result<Flock<File>> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot write in the directory `{}`", directory.display()))?;
    let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((mut file, Errno::EWOULDBLOCK)) => return Err(taken(directory, &mut file)),
        Err((_, error)) => {
            return Err(io::Error::from(error)).with_context(|| format!("cannot lock `{}`", path.display()));
        }
    };
    write_pid(&mut lock).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(lock)
}

fn write_pid(file: &mut File) -> io::Result<()> {
    // Written over, then cut: a reader never finds it empty.
    let text = format!("{}\n", std::process::id());
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn taken(directory: &Path, file: &mut File) -> anyhow::Error {
    let mut pid = String::new();
    // Without its pid the message is poorer, but right.
    drop(file.read_to_string(&mut pid));
    let pid = pid.trim();
    hinted(
        format!("`{}` is in use by another `evergate up` (process {pid})", directory.display()),
        format!(
            "stop it with `kill {pid}`, or choose another directory with --data and other ports with --listen-base"
        ),
    )
}

fn refuse_full(directory: &Path) -> anyhow::Result<()> {
    let status =
        statvfs(directory).with_context(|| format!("cannot ask how full `{}` is", directory.display()))?;
    let free = status.blocks_available().saturating_mul(status.fragment_size());
    if free >= ROOM {
        return Ok(());
    }
    Err(hinted(
        format!(
            "only {} MB are free in `{}`; {} MB are needed to start",
            free >> 20,
            directory.display(),
            ROOM >> 20
        ),
        "free some space, or choose another directory with --data",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_the_first_is() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        let first = Directory::take(&path).unwrap();
        let error = Directory::take(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        Directory::take(&path).unwrap();
    }

    #[test]
    fn a_new_directory_that_was_not_used_is_gone_and_a_used_one_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        drop(Directory::take(&path).unwrap());
        assert!(!path.exists());
        let used = Directory::take(&path).unwrap();
        std::fs::write(path.join("wrapping-key"), "x").unwrap();
        drop(used);
        drop(Directory::take(&path).unwrap());
        assert!(path.join("wrapping-key").exists() && path.join(LOCK).exists());
    }

    #[test]
    fn an_empty_directory_that_was_there_before_stays() {
        let root = tempfile::tempdir().unwrap();
        drop(Directory::take(root.path()).unwrap());
        assert!(root.path().exists());
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("thesis.txt"), "x").unwrap();
        assert!(Directory::take(root.path()).unwrap_err().to_string().contains("is not empty"));
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
