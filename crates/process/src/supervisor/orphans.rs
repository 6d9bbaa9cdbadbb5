//! Children that outlived an earlier supervisor.
//!
//! Proof that a process is ours: it is this user's, it runs an executable of the wanted name, and
//! its arguments are those of a child of this very installation. A recorded process id alone would
//! prove nothing: ids are used again.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getuid};

/// So long orphans have to finish what they are answering.
const GRACE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);

/// Ends every process that is provably a child left over from an earlier run: it runs `program`
/// with arguments that `is_child` knows. Returns how many there were. The caller must hold the
/// lock that says that no other supervisor lives.
pub async fn end_orphans(program: &Path, is_child: impl Fn(&[OsString]) -> bool) -> usize {
    let found = find(program, is_child);
    for orphan in &found {
        tracing::warn!(pid = orphan.pid, "ending a process of an earlier run");
        signal(orphan, Signal::SIGTERM);
    }
    let all_gone = async {
        while found.iter().any(Orphan::lives) {
            tokio::time::sleep(POLL).await;
        }
    };
    if tokio::time::timeout(GRACE, all_gone).await.is_err() {
        for orphan in found.iter().filter(|orphan| orphan.lives()) {
            signal(orphan, Signal::SIGKILL);
        }
        while found.iter().any(Orphan::lives) {
            tokio::time::sleep(POLL).await;
        }
    }
    found.len()
}

/// A process, told apart from a later one with the same id by its start time.
#[derive(Debug)]
struct Orphan {
    pid: i32,
    started: String,
}

impl Orphan {
    fn lives(&self) -> bool {
        start_time(self.pid).as_ref() == Some(&self.started)
    }
}

fn signal(orphan: &Orphan, signal: Signal) {
    if orphan.lives() {
        let _ = kill(Pid::from_raw(orphan.pid), signal);
    }
}

fn find(program: &Path, is_child: impl Fn(&[OsString]) -> bool) -> Vec<Orphan> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let started = start_time(pid)?;
            let process = PathBuf::from(format!("/proc/{pid}"));
            let ours = is_this_users(&process)
                && same_executable(&process, program)
                && arguments(&process).is_some_and(|arguments| is_child(&arguments));
            ours.then_some(Orphan { pid, started })
        })
        .filter(|orphan| u32::try_from(orphan.pid) != Ok(std::process::id()))
        .collect()
}

fn is_this_users(process: &Path) -> bool {
    std::fs::metadata(process).is_ok_and(|status| status.uid() == getuid().as_raw())
}

/// Compares file names only: the file itself may have been replaced by a newer build since.
fn same_executable(process: &Path, program: &Path) -> bool {
    let Ok(executable) = std::fs::read_link(process.join("exe")) else { return false };
    let name = executable.file_name().map(|name| name.to_string_lossy().replace(" (deleted)", ""));
    name.is_some() && name == program.file_name().map(|name| name.to_string_lossy().into_owned())
}

/// The arguments without the program's name.
fn arguments(process: &Path) -> Option<Vec<OsString>> {
    let line = std::fs::read(process.join("cmdline")).ok()?;
    let words = line.strip_suffix(b"\0")?.split(|byte| *byte == 0).skip(1);
    Some(words.map(|word| OsString::from_vec(word.to_vec())).collect())
}

/// Field 22 of `/proc/PID/stat`, counted from behind the command, which may contain anything;
/// nothing for a process that is gone or only waits to be reaped.
fn start_time(pid: i32) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = status.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    if state == "Z" || state == "X" { None } else { fields.nth(18).map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_process_with_exactly_our_arguments_is_ended() {
        let start = |argument: &str| {
            tokio::process::Command::new("/bin/sleep").arg(argument).kill_on_drop(true).spawn().unwrap()
        };
        let (mut ours, mut foreign) = (start("98765.4321"), start("98765.4322"));
        let sleep = Path::new("/bin/sleep").canonicalize().unwrap();
        let is_child = |arguments: &[OsString]| arguments == ["98765.4321"];
        assert_eq!(end_orphans(Path::new("/bin/other"), is_child).await, 0);
        assert_eq!(end_orphans(&sleep, is_child).await, 1);
        assert!(!ours.wait().await.unwrap().success());
        assert!(foreign.try_wait().unwrap().is_none(), "the other one still runs");
        assert_eq!(end_orphans(&sleep, is_child).await, 0);
    }
}
