//! `evergate logs`: the log files of the instances, put together and followed.

mod follow;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::Context;
use evergate_process::supervisor::{LOG_FILES, rotated};

use crate::cli::Installation;
use crate::failure::hinted;

/// The arguments of `evergate logs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  evergate logs\n  evergate logs policy1 --follow")]
pub struct LogsArguments {
    /// The instance; without it, all of them, each line with its instance's name
    name: Option<String>,
    #[command(flatten)]
    installation: Installation,
    /// Go on showing what is logged
    #[arg(long, short)]
    follow: bool,
    /// So many lines at most of each log
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    lines: usize,
}

/// A log that is shown.
#[derive(Debug, Clone)]
struct Log {
    /// What stands before its lines.
    label: String,
    path: PathBuf,
}

/// Shows logs.
///
/// # Errors
/// When there are none.
pub async fn show(arguments: &LogsArguments) -> anyhow::Result<()> {
    let logs = find(&arguments.installation.data.join("logs"), arguments.name.as_deref())?;
    let following = logs.iter().cloned().map(follow::Follower::at_end).collect();
    let is_read = print(&newest(&logs, arguments.lines))?;
    if arguments.follow && is_read { go_on(following).await } else { Ok(()) }
}

/// Shows what is added, until somebody ends the command.
async fn go_on(mut following: Vec<follow::Follower>) -> anyhow::Result<()> {
    loop {
        for follower in &mut following {
            if !print(&follower.new_lines())? {
                return Ok(());
            }
        }
        tokio::time::sleep(follow::POLL).await;
    }
}

fn find(directory: &Path, name: Option<&str>) -> anyhow::Result<Vec<Log>> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .with_context(|| format!("there are no logs in `{}`", directory.display()))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".log").map(str::to_owned))
        .collect();
    names.sort();
    if let Some(wanted) = name {
        if !names.iter().any(|name| name == wanted) {
            return Err(hinted(
                format!("there is no log of `{wanted}`"),
                format!("there are: {}", names.join(", ")),
            ));
        }
        return Ok(vec![Log { label: String::new(), path: directory.join(format!("{wanted}.log")) }]);
    }
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let log = |name: String| Log {
        label: format!("{name:width$} | "),
        path: directory.join(format!("{name}.log")),
    };
    Ok(names.into_iter().map(log).collect())
}

/// The last lines of all logs, in the order of their times.
fn newest(logs: &[Log], count: usize) -> Vec<String> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for log in logs {
        let mut latest = String::new();
        for line in last_lines(&log.path, count) {
            // A line without a time of its own belongs to the one before it.
            if let Some(time) = time(&line) {
                latest = time.to_owned();
            }
            lines.push((latest.clone(), format!("{}{line}", log.label)));
        }
    }
    lines.sort_by(|(a, _), (b, _)| a.cmp(b));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The time of a JSON line, which sorts as text.
fn time(line: &str) -> Option<&str> {
    line.strip_prefix("{\"timestamp\":\"")?.split('"').next()
}

/// The last lines of a log, over its rotated files.
#[must_use]
pub fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let mut lines = VecDeque::new();
    for n in (0..LOG_FILES).rev() {
        let Ok(file) = File::open(rotated(path, n)) else { continue };
        for line in BufReader::new(file).split(b'\n').map_while(Result::ok) {
            lines.push_back(String::from_utf8_lossy(&line).into_owned());
            if lines.len() > count {
                lines.pop_front();
            }
        }
    }
    lines.into()
}

/// Prints lines; false if the reader went away (`| head`), which is no failure.
fn print(lines: &[String]) -> anyhow::Result<bool> {
    let mut out = stdout().lock();
    let mut write = || -> std::io::Result<()> {
        for line in lines {
            writeln!(out, "{line}")?;
        }
        out.flush()
    };
    match write() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot print"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_put_together_by_time() {
        let directory = tempfile::tempdir().unwrap();
        let line =
            |second: u8| format!("{{\"timestamp\":\"2026-01-01T00:00:0{second}Z\",\"level\":\"INFO\"}}\n");
        std::fs::write(directory.path().join("a.log"), format!("{}{}", line(1), line(3))).unwrap();
        std::fs::write(directory.path().join("b.log"), format!("{}continued\n", line(2))).unwrap();
        let logs = find(directory.path(), None).unwrap();
        let shown = newest(&logs, 10);
        let order: Vec<&str> = shown.iter().map(|line| &line[..1]).collect();
        assert_eq!(order, ["a", "b", "b", "a"]);
        assert!(find(directory.path(), Some("c")).unwrap_err().to_string().contains("there are: a, b"));
    }
}
