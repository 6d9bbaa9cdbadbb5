//! The children's log files: each of 10 MB at most, five of them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::lifecycle::Lifecycle;

/// So many files are kept of each log, the one being written included.
pub const LOG_FILES: usize = 5;
/// A log file does not grow beyond this.
pub const LOG_FILE_BYTES: u64 = 10_000_000;
/// A line longer than this is cut.
const LONGEST_LINE: usize = 64 * 1024;

/// The name of the `n`th older file of a log; `0` is the one being written.
#[must_use]
pub fn rotated(path: &Path, n: usize) -> PathBuf {
    if n == 0 { path.to_owned() } else { PathBuf::from(format!("{}.{n}", path.display())) }
}

/// Copies what a child prints into its log file until it stops printing.
pub(super) fn keep(
    lifecycle: &Lifecycle,
    path: &Path,
    out: Option<impl AsyncRead + Send + Unpin + 'static>,
    err: Option<impl AsyncRead + Send + Unpin + 'static>,
) {
    let log = Arc::new(Mutex::new(RotatingLog::new(path.to_owned(), LOG_FILE_BYTES)));
    if let Some(out) = out {
        lifecycle.spawn("child's output", copy(out, Arc::clone(&log)));
    }
    if let Some(err) = err {
        lifecycle.spawn("child's log", copy(err, log));
    }
}

async fn copy(from: impl AsyncRead + Unpin, log: Arc<Mutex<RotatingLog>>) {
    let mut reader = BufReader::with_capacity(LONGEST_LINE, from);
    loop {
        // Whole buffers, not lines: a child that prints without line ends costs no memory. An
        // error means that the child is gone.
        let Ok(chunk) = reader.fill_buf().await else { return };
        if chunk.is_empty() {
            return;
        }
        let length = chunk.len();
        // The child must not be blocked by a full disk: what cannot be written is lost.
        log.lock().unwrap_or_else(PoisonError::into_inner).keep(chunk);
        reader.consume(length);
    }
}

/// A file that is put aside when it is full.
#[derive(Debug)]
struct RotatingLog {
    path: PathBuf,
    limit: u64,
    open: Option<(File, u64)>,
    is_failing: bool,
}

impl RotatingLog {
    const fn new(path: PathBuf, limit: u64) -> Self {
        Self { path, limit, open: None, is_failing: false }
    }

    /// Writes, and says it once if that stops working.
    fn keep(&mut self, bytes: &[u8]) {
        let written = self.write(bytes);
        if let Err(error) = &written
            && !self.is_failing
        {
            tracing::warn!(%error, file = %self.path.display(), "a log file cannot be written");
        }
        self.is_failing = written.is_err();
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut file, size) = match self.open.take() {
            Some(open) => open,
            None => open(&self.path)?,
        };
        let added = bytes.len() as u64;
        let mut size = size + added;
        if size > self.limit && size > added {
            drop(file);
            self.put_aside()?;
            (file, size) = open(&self.path)?;
            size += added;
        }
        file.write_all(bytes)?;
        self.open = Some((file, size));
        Ok(())
    }

    fn put_aside(&self) -> io::Result<()> {
        for n in (1..LOG_FILES).rev() {
            match std::fs::rename(rotated(&self.path, n - 1), rotated(&self.path, n)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_never_grows_beyond_its_limit_and_five_files_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy1.log");
        let mut log = RotatingLog::new(path.clone(), 100);
        for n in 0..100 {
            log.write(format!("{n:039}\n").as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), LOG_FILES);
        for n in 0..LOG_FILES {
            assert!(std::fs::metadata(rotated(&path, n)).unwrap().len() <= 100);
        }
        let newest = std::fs::read_to_string(&path).unwrap();
        assert!(newest.trim_end().ends_with("99"), "{newest}");
    }
}
