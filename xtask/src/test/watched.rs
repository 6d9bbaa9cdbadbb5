//! Runs a test program to its end, which comes: a program that hangs is ended, and one that leaves
//! processes behind fails instead of keeping everybody waiting for their output.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it waits for real programs, without a runtime whose time could be paused"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How long a program of ordinary tests may run.
pub(super) const ORDINARY: Duration = Duration::from_secs(20 * 60);
/// How long a program of soak tests may run.
pub(super) const SOAK: Duration = Duration::from_secs(150 * 60);
/// How long the output may stay open, and what it started may live, after the program has ended.
const CLOSING: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Well.
    Good,
    /// It said that tests failed, or died.
    Failed,
    /// It ran longer than its limit.
    TooLong,
    /// Something that it started still ran.
    LeftBehind,
}

impl End {
    pub(super) const fn is_good(self) -> bool {
        matches!(self, Self::Good)
    }

    /// What the program's own output cannot tell.
    pub(super) const fn why(self) -> Option<&'static str> {
        match self {
            Self::Good | Self::Failed => None,
            Self::TooLong => Some("xtask: it ran too long, and was ended"),
            Self::LeftBehind => Some("xtask: it left processes running; they were ended"),
        }
    }
}

/// Runs a program, giving each line that it prints to `show`. Whatever it leaves running is ended.
pub(super) fn run(mut command: Command, limit: Duration, mut show: impl FnMut(&str)) -> Result<End> {
    let mark = Mark::new();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).env(MARK, &mark.0);
    let until = Instant::now() + limit;
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let lines = lines(&mut child)?;
    let mut closes: Option<Instant> = None;
    loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => show(&line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if closes.is_none() => {
                closes = child.try_wait()?.map(|_| Instant::now() + CLOSING);
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if closes.is_none() && Instant::now() > until {
            drop(child.kill());
            child.wait()?;
            mark.is_gone_within(Duration::ZERO);
            return Ok(End::TooLong);
        }
        if closes.is_some_and(|closes| Instant::now() > closes) {
            break;
        }
    }
    let end = if child.wait()?.success() { End::Good } else { End::Failed };
    if mark.is_gone_within(CLOSING) { Ok(end) } else { Ok(End::LeftBehind) }
}

/// The lines as they come, read by a thread so that waiting for one can end.
fn lines(child: &mut Child) -> Result<Receiver<String>> {
    let output = child.stdout.take().context("the output is not piped")?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// A variable of the environment that every process inherits from the program that started it.
const MARK: &str = "EVERGATE_TEST_RUN";

/// The mark of one run.
struct Mark(String);

impl Mark {
    fn new() -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        Self(format!("{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed)))
    }

    /// Whether nobody bears the mark any more before so much time is over; who still does is ended, by its id.
    fn is_gone_within(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        loop {
            let left = self.bearers();
            if left.is_empty() {
                return true;
            }
            if Instant::now() >= until {
                // Whoever is gone meanwhile needs no ending.
                drop(Command::new("kill").arg("-KILL").args(&left).stderr(Stdio::null()).status());
                return false;
            }
            std::thread::sleep(POLL);
        }
    }

    /// The ids of the processes that bear the mark.
    fn bearers(&self) -> Vec<String> {
        let entry = format!("{MARK}={}", self.0);
        let bears = |pid: &String| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|each| each == entry.as_bytes())
        };
        let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
        let pids = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        pids.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(bears).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn its_lines_and_its_end_are_told() {
        let mut seen = Vec::new();
        let end = run(shell("echo one; echo two; exit 3"), ORDINARY, |line| seen.push(line.to_owned()));
        assert_eq!(end.ok(), Some(End::Failed));
        assert_eq!(seen, ["one", "two"]);
        assert_eq!(run(shell("true"), ORDINARY, |_| {}).ok(), Some(End::Good));
    }

    #[test]
    fn one_that_hangs_is_ended() {
        let end = run(shell("sleep 1000"), Duration::from_millis(300), |_| {});
        assert_eq!(end.ok(), Some(End::TooLong));
    }

    #[test]
    fn a_process_left_behind_is_a_failure_and_is_ended() {
        for left in ["sleep 1000 & echo started", "sleep 1000 >/dev/null & exit 3"] {
            let end = run(shell(left), ORDINARY, |_| {});
            assert_eq!(end.ok(), Some(End::LeftBehind), "{left}");
        }
    }
}
