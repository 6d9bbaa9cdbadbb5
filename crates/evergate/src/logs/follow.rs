//! Follows one growing log file, also when it is put aside and begun anew.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::Log;

/// How often files are looked at.
pub(super) const POLL: Duration = Duration::from_millis(200);

/// Where the reader of a log stands.
#[derive(Debug)]
pub(super) struct Follower {
    log: Log,
    /// Which file: its number changes when the log is begun anew.
    inode: u64,
    position: u64,
    /// A line whose end has not come yet.
    partial: Vec<u8>,
}

impl Follower {
    /// Follows from the present end.
    pub(super) fn at_end(log: Log) -> Self {
        let (inode, position) =
            std::fs::metadata(&log.path).map_or((0, 0), |status| (status.ino(), status.len()));
        Self { log, inode, position, partial: Vec::new() }
    }

    /// The lines that have been completed since the last look. A file that cannot be read at the
    /// moment is tried again at the next look.
    pub(super) fn new_lines(&mut self) -> Vec<String> {
        if self.read().is_err() {
            return Vec::new();
        }
        let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.partial.split_off(end + 1);
        let complete = std::mem::replace(&mut self.partial, rest);
        String::from_utf8_lossy(&complete).lines().map(|line| format!("{}{line}", self.log.label)).collect()
    }

    fn read(&mut self) -> io::Result<()> {
        let mut file = File::open(&self.log.path)?;
        let inode = file.metadata()?.ino();
        if inode != self.inode {
            (self.inode, self.position) = (inode, 0);
        }
        file.seek(SeekFrom::Start(self.position))?;
        let read = file.read_to_end(&mut self.partial)?;
        self.position += read as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_begun_anew_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        std::fs::write(&path, "old\n").unwrap();
        let mut follower = Follower::at_end(Log { label: String::new(), path: path.clone() });
        assert!(follower.new_lines().is_empty());
        std::fs::rename(&path, directory.path().join("a.log.1")).unwrap();
        std::fs::write(&path, "one\ntw").unwrap();
        assert_eq!(follower.new_lines(), ["one"]);
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(follower.new_lines(), ["two"]);
    }
}
