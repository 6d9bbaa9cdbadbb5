//! Children that outlived an earlier supervisor.
//!
//! Proof that a process is ours: it is this user's, it runs an executable of the wanted name, and
//! its arguments are, word for word, those with which a child of this very directory is started.
//! A recorded process id alone would prove nothing: ids are used again.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getuid};

use super::ChildSpec;

/// So long orphans have to finish what they are answering.
const GRACE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);

/// Ends every process that is provably a child left over from an earlier run; returns how many
/// there were. The caller must hold the lock that says that no other supervisor lives.
pub async fn end_orphans(specs: &[ChildSpec]) -> usize {
    let found = find(specs);
    for orphan in &found {
        tracing::warn!(pid = orphan.pid, name = orphan.name, "ending a process of an earlier run");
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
    name: String,
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

fn find(specs: &[ChildSpec]) -> Vec<Orphan> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let started = start_time(pid)?;
            let spec = specs.iter().find(|spec| is_child(pid, spec))?;
            Some(Orphan { name: spec.name.clone(), pid, started })
        })
        .collect()
}

fn is_child(pid: i32, spec: &ChildSpec) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let own = std::fs::metadata(&process).is_ok_and(|status| status.uid() == getuid().as_raw());
    own && same_executable(&process, &spec.program)
        && arguments(&process).is_some_and(|words| words.get(1..) == Some(&spec.arguments))
}

/// Compares file names only: the file itself may have been replaced by a newer build since.
fn same_executable(process: &Path, program: &Path) -> bool {
    let Ok(executable) = std::fs::read_link(process.join("exe")) else { return false };
    let name = executable.file_name().map(|name| name.to_string_lossy().replace(" (deleted)", ""));
    name.is_some() && name == program.file_name().map(|name| name.to_string_lossy().into_owned())
}

fn arguments(process: &Path) -> Option<Vec<OsString>> {
    let line = std::fs::read(process.join("cmdline")).ok()?;
    let words = line.strip_suffix(b"\0")?.split(|byte| *byte == 0);
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

    fn spec(arguments: &[&str]) -> ChildSpec {
        ChildSpec {
            name: "sleeper".to_owned(),
            program: PathBuf::from("/bin/sleep"),
            arguments: arguments.iter().map(OsString::from).collect(),
            socket: None,
            stop_stage: 0,
        }
    }

    #[tokio::test]
    async fn only_a_process_with_exactly_our_arguments_is_ended() {
        let start = |argument: &str| {
            tokio::process::Command::new("/bin/sleep").arg(argument).kill_on_drop(true).spawn().unwrap()
        };
        let (mut ours, mut foreign) = (start("98765.4321"), start("98765.4322"));
        assert_eq!(end_orphans(&[spec(&["98765.4321"])]).await, 1);
        assert!(!ours.wait().await.unwrap().success());
        assert!(foreign.try_wait().unwrap().is_none(), "the other one still runs");
        assert_eq!(end_orphans(&[spec(&["98765.4321"])]).await, 0);
    }
}
