//! What `/proc` tells of a process, and signals by process id.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::until::until;

/// Sends a signal to one process; false where there is none of that id.
#[must_use]
pub fn signal(pid: u32, signal: Signal) -> bool {
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), signal).is_ok())
}

/// Whether a process of that id runs: neither gone nor waiting to be reaped. One whose first thread has ended looks like
/// a zombie while its others still hold its sockets: it runs.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    match state(pid) {
        None | Some('X') => false,
        Some('Z') => tasks(pid) > 1,
        Some(_) => true,
    }
}

/// Whether a process is stopped, as by SIGSTOP.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    state(pid) == Some('T')
}

fn state(pid: u32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

fn tasks(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// A program that is ended with SIGTERM when the thread that starts it ends, however that comes about, and that holds
/// neither input nor output of the test open.
#[must_use]
pub fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Processes whose command line names `directory`.
#[must_use]
pub fn naming(directory: &Path) -> Vec<u32> {
    let directory = directory.display().to_string();
    let names = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&directory)
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(names).collect()
}

/// `kill -9`, and waits until the kernel has closed what the process held.
///
/// # Errors
/// When there is no such process, or it does not end.
pub async fn kill_now(pid: u32) -> Result<()> {
    anyhow::ensure!(signal(pid, Signal::SIGKILL), "there is no process {pid}");
    until(&format!("process {pid} ended"), Duration::from_secs(5), async || (!is_running(pid)).then_some(()))
        .await
}

/// The processes that `pid` started.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    texts
        .flat_map(|text| text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

/// Bytes of memory in use that are not shared files: `RssAnon`; and all that is resident: `VmRSS`.
///
/// # Errors
/// When there is no such process.
pub fn memory(pid: u32) -> Result<Memory> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("no such process")?;
    let fields: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter_map(|(name, value)| {
            Some((name, value.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024))
        })
        .collect();
    let field = |name| fields.get(name).copied().context("not in /proc/PID/status");
    Ok(Memory { resident: field("VmRSS")?, anonymous: field("RssAnon")?, peak: field("VmHWM")? })
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// All that is resident.
    pub resident: u64,
    /// What of it is not shared with files.
    pub anonymous: u64,
    /// The most that was ever resident.
    pub peak: u64,
}

/// Time on the processor so far, in clock ticks (100 a second).
///
/// # Errors
/// When there is no such process.
pub fn ticks(pid: u32) -> Result<u64> {
    let fields = stat(pid).context("no such process")?;
    // Fields 14 and 15 of proc(5); the first here is field 3.
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
    Ok(field(14).context("no utime")? + field(15).context("no stime")?)
}

/// The fields of `/proc/PID/stat` after the name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// Connections to a local port that the other side has closed and this side has not: the program has not noticed yet.
/// See proc(5) on `net/tcp`; `08` is CLOSE_WAIT.
///
/// # Errors
/// When the table cannot be read.
pub fn half_closed(port: u16) -> Result<usize> {
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    let remote = format!(":{port:04X}");
    let is_half_closed = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        words.next().is_some_and(|address| address.ends_with(&remote)) && words.next() == Some("08")
    };
    Ok(table.lines().filter(is_half_closed).count())
}

/// A program that `cargo xtask test` has built: in the directory that `EVERGATE_PROGRAMS` names, where soak tests find
/// release builds; else beside the running test, as `target/debug/NAME`.
///
/// # Errors
/// When it has not been built.
pub fn built(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let directories = match std::env::var_os("EVERGATE_PROGRAMS") {
        Some(directory) => vec![PathBuf::from(directory)],
        None => here.ancestors().skip(1).take(2).map(PathBuf::from).collect(),
    };
    let mut programs = directories.into_iter().map(|directory| directory.join(name));
    let found = programs.find(|path| path.is_file());
    found.with_context(|| {
        format!("`{name}` is not built: run `cargo xtask test`, or `cargo build --workspace`")
    })
}
