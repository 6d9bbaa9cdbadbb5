//! What `/proc` tells of a process: whether it lives, since when, and whether it could run (proc(5)).

use std::path::PathBuf;

/// What a process is doing that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posture {
    /// It was stopped by a signal, as all its threads are.
    Stopped,
    /// All its threads wait for something: none would run if it could.
    Waiting,
    /// A thread of it runs, or would if a processor or a disk were free.
    Busy,
}

/// The posture of a process; nothing where it is gone.
pub(super) fn posture(pid: u32) -> Option<Posture> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.filter_map(Result::ok);
    let texts = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    let states: Vec<String> = texts.filter_map(|text| Some(read_status(&text)?.0)).collect();
    let is = |wanted: &[&str]| states.iter().any(|state| wanted.contains(&state.as_str()));
    match states.is_empty() {
        true => None,
        false if is(&["T", "t"]) => Some(Posture::Stopped),
        false if is(&["R", "D"]) => Some(Posture::Busy),
        false => Some(Posture::Waiting),
    }
}

/// Where `/proc` tells of a thread of the process that lives: the first one, whose directory tells
/// nothing when it has ended, may be a zombie.
pub(super) fn living_thread(pid: i32) -> Option<PathBuf> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads.filter_map(Result::ok).map(|thread| thread.path()).find(|thread| thread.join("exe").exists())
}

/// When a process was started, in ticks since the machine was; with its id, that tells it apart from
/// any other. Nothing for one that is gone or only waits to be reaped.
///
/// A process is told to be a zombie as soon as its first thread has ended, while its others may
/// still hold its sockets: it is gone only when that thread is the last.
pub(super) fn start_time(pid: i32) -> Option<String> {
    let (state, started) = status(pid)?;
    let is_gone = match state.as_str() {
        "Z" => threads(pid) <= 1,
        "X" => true,
        _ => false,
    };
    (!is_gone).then_some(started)
}

/// Whether a signal has stopped it.
pub(super) fn is_stopped(pid: i32) -> bool {
    status(pid).is_some_and(|(state, _)| state == "T" || state == "t")
}

fn status(pid: i32) -> Option<(String, String)> {
    read_status(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// State (field 3) and start time (field 22), counted from behind the command, which may contain
/// anything.
fn read_status(text: &str) -> Option<(String, String)> {
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.to_owned();
    Some((state, fields.nth(18)?.to_owned()))
}

fn threads(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;
    use std::time::Duration;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;

    fn silent(program: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn until(holds: impl Fn() -> bool) {
        let held = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), held).await.expect("in time");
    }

    #[tokio::test]
    async fn a_process_is_seen_to_wait_to_be_stopped_and_to_be_gone() {
        let mut child = silent("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().unwrap();
        until(|| posture(pid) == Some(Posture::Waiting)).await;
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).unwrap();
        until(|| posture(pid) == Some(Posture::Stopped)).await;
        assert!(is_stopped(pid.cast_signed()));
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        assert_eq!(posture(pid), None);
    }

    #[tokio::test]
    async fn a_process_that_computes_is_busy() {
        let child = silent("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let pid = child.id().unwrap();
        until(|| posture(pid) == Some(Posture::Busy)).await;
    }

    /// The first thread ends while another goes on, as in a process that is being killed while it
    /// waits for a disk.
    #[tokio::test]
    async fn a_process_whose_first_thread_has_ended_is_not_gone() {
        let script = "import ctypes, threading, time\n\
                      threading.Thread(target=time.sleep, args=(1000,)).start()\n\
                      ctypes.CDLL(None).pthread_exit(None)";
        let Ok(mut child) = silent("python3").args(["-c", script]).spawn() else { return };
        let pid = child.id().unwrap().cast_signed();
        until(|| status(pid).is_none_or(|(state, _)| state == "Z")).await;
        assert!(start_time(pid).is_some(), "another thread of it lives");
        let line = std::fs::read(living_thread(pid).unwrap().join("cmdline")).unwrap();
        assert!(String::from_utf8_lossy(&line).contains("pthread_exit"), "and tells what it is");
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        assert!(start_time(pid).is_none());
    }
}
