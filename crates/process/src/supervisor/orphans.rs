//! Children that outlived an earlier supervisor.
//!
//! Proof that a process is ours: it is this user's, it runs an executable of the wanted name, and
//! its arguments are those of a child of this very installation. A recorded process id alone would
//! prove nothing: ids are used again.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getuid};

use super::proc::{is_stopped, living_thread, start_time};

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
        // One that is stopped would hear of it only when it goes on, and has nothing to finish that
        // anybody still waits for.
        let asked = if is_stopped(orphan.pid) { Signal::SIGKILL } else { Signal::SIGTERM };
        signal(orphan, asked);
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
            let process = living_thread(pid)?;
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

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn sleeping() -> tokio::process::Command {
        let mut command = tokio::process::Command::new("/bin/sleep");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command
    }

    #[tokio::test]
    async fn only_a_process_with_exactly_our_arguments_is_ended() {
        let start = |argument: &str| sleeping().arg(argument).spawn().unwrap();
        let (mut ours, mut foreign) = (start("98765.4321"), start("98765.4322"));
        let sleep = Path::new("/bin/sleep").canonicalize().unwrap();
        let is_child = |arguments: &[OsString]| arguments == ["98765.4321"];
        assert_eq!(end_orphans(Path::new("/bin/other"), is_child).await, 0);
        assert_eq!(end_orphans(&sleep, is_child).await, 1);
        assert!(!ours.wait().await.unwrap().success());
        assert!(foreign.try_wait().unwrap().is_none(), "the other one still runs");
        assert_eq!(end_orphans(&sleep, is_child).await, 0);
    }

    #[tokio::test]
    async fn a_stopped_process_is_ended_too_and_at_once() {
        let mut ours = sleeping().arg("98765.4323").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(ours.id().unwrap()).unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        while !is_stopped(pid.as_raw()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let sleep = Path::new("/bin/sleep").canonicalize().unwrap();
        assert_eq!(end_orphans(&sleep, |arguments| arguments == ["98765.4323"]).await, 1);
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ours.wait().await.unwrap()), Some(9));
    }
}
