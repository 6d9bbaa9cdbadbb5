//! Who holds the write lock of an SQLite database, asked of the kernel.
//!
//! The database is never opened here. SQLite locks bytes of the file `NAME-shm` for its WAL index
//! with POSIX locks (sqlite.org/walformat.html, section 2.3: byte 120 is the write lock, 122 the
//! lock of a recovery, which shuts out everybody). `F_GETLK` tells the process of a lock without
//! taking one, and since this process holds none on that file, closing it here gives none up.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// Bytes of the WAL index whose holder keeps all others from writing.
const WRITE_LOCK: i64 = 120;
const RECOVERY_LOCK: i64 = 122;

/// The WAL index of a database.
pub(super) fn index_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-shm");
    name.into()
}

/// The process that keeps others from writing, if there is one now.
///
/// The file is opened anew each time: it is made anew whenever the last process closed the database.
pub(super) fn holder(index: &Path) -> Option<u32> {
    let file = File::open(index).ok()?;
    [WRITE_LOCK, RECOVERY_LOCK].into_iter().find_map(|byte| holder_of(&file, byte))
}

fn holder_of(file: &File, byte: i64) -> Option<u32> {
    let mut lock = libc::flock {
        // Readers share; only whoever holds the byte alone is in the way of this.
        l_type: i16::try_from(libc::F_RDLCK).ok()?,
        l_whence: i16::try_from(libc::SEEK_SET).ok()?,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    let is_free = i32::from(lock.l_type) == libc::F_UNLCK;
    if is_free { None } else { u32::try_from(lock.l_pid).ok().filter(|pid| *pid != 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_nobody_has_open_is_held_by_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let index = index_of(&directory.path().join("evergate.db"));
        assert!(index.ends_with("evergate.db-shm"));
        assert_eq!(holder(&index), None);
        std::fs::write(&index, [0; 32768]).unwrap();
        assert_eq!(holder(&index), None);
    }
}
