//! A file in the making: private, under a name that nobody can foretell, and gone unless it is finished.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

/// What SQLite keeps beside a database that is open.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
const ENDING: &str = ".new";

/// A file that is not under its own name yet.
#[derive(Debug)]
pub(super) struct Making {
    temporary: PathBuf,
    wanted: PathBuf,
}

impl Making {
    /// Makes an empty file (mode 0600) beside the one that is wanted. It is never one that was there
    /// before, nor a link.
    pub(super) fn beside(wanted: &Path) -> io::Result<(Self, File)> {
        let mut name = beginning(wanted)?;
        name.push_str(&HEXLOWER.encode(&rand::random::<[u8; 8]>()));
        name.push_str(ENDING);
        let temporary = wanted.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        Ok((Self { temporary, wanted: wanted.to_owned() }, file))
    }

    /// Where it is meanwhile.
    pub(super) fn path(&self) -> &Path {
        &self.temporary
    }

    /// Gives it its name.
    pub(super) fn finish(self) -> io::Result<()> {
        File::open(&self.temporary)?.sync_all()?;
        std::fs::rename(&self.temporary, &self.wanted)?;
        let parent = self.wanted.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Takes away what attempts that were killed have left in a directory that is nobody else's.
    pub(super) fn remove_leftovers(wanted: &Path) -> io::Result<()> {
        let beginning = beginning(wanted)?;
        let Some(parent) = wanted.parent() else { return Ok(()) };
        for entry in std::fs::read_dir(parent)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_leftover =
                name.to_str().and_then(|name| name.strip_prefix(&beginning)).is_some_and(|rest| {
                    let rest =
                        COMPANIONS.iter().find_map(|companion| rest.strip_suffix(companion)).unwrap_or(rest);
                    rest.ends_with(ENDING)
                });
            if is_leftover {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Making {
    /// Finished, there is nothing of that name any more.
    fn drop(&mut self) {
        for ending in [""].into_iter().chain(COMPANIONS) {
            let mut name = self.temporary.clone().into_os_string();
            name.push(ending);
            drop(std::fs::remove_file(name));
        }
    }
}

fn beginning(wanted: &Path) -> io::Result<String> {
    let name = wanted.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(format!(".{name}."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn count(directory: &Path) -> usize {
        std::fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn it_is_private_and_its_name_cannot_be_foretold() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("backup");
        let (one, file) = Making::beside(&wanted).unwrap();
        let (other, _) = Making::beside(&wanted).unwrap();
        assert_ne!(one.path(), other.path());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(other);
        one.finish().unwrap();
        assert!(wanted.exists());
        assert_eq!(count(directory.path()), 1, "nothing is left over");
    }

    #[test]
    fn what_killed_attempts_left_is_taken_away_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in
            [".evergate.db.0a1b.new", ".evergate.db.0a1b.new-wal", "evergate.db-wal", ".evergate.db.old"]
        {
            std::fs::write(at(name), b"").unwrap();
        }
        Making::remove_leftovers(&at("evergate.db")).unwrap();
        assert!(at("evergate.db-wal").exists() && at(".evergate.db.old").exists());
        assert_eq!(count(directory.path()), 2);
    }
}
