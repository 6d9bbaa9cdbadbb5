//! What a run leaves if it is killed, and that it is taken away: by the run itself at its end, and by the next of the
//! any number before it begins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::link::ip;
use super::slot::{self, Slot};
use crate::processes;

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";
/// How long killed processes may take to be gone.
const LIMIT: Duration = Duration::from_secs(20);

/// What is there of the run of this number, in words; empty when all is gone.
#[must_use]
pub fn leftovers(number: u8) -> Vec<String> {
    let directory = slot::directory(number);
    let processes = processes::naming(&directory).into_iter().map(|pid| format!("process {pid}"));
    let interface = Path::new("/sys/class/net").join(slot::interface(number));
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let is_ours = |line: &&str| line.contains(&*directory.to_string_lossy());
    let mounts: Vec<String> = mounts.lines().filter(is_ours).map(|line| format!("mount {line}")).collect();
    let paths = [directory.clone(), interface].into_iter().chain(groups(number));
    let paths = paths.filter(|path| path.exists()).map(|path| path.display().to_string());
    processes.chain(mounts).chain(paths).collect()
}

/// Takes away what is there of a run that has ended.
pub(super) fn remove(slot: &Slot) -> Result<()> {
    let directory = slot.directory();
    // The keepers of namespaces, which name it; what is in the namespaces ends with them.
    let keepers =
        || processes::naming(directory).into_iter().filter(|pid| is_keeper(*pid)).collect::<Vec<_>>();
    for pid in keepers() {
        for first in processes::children(pid) {
            _ = processes::signal(first, Signal::SIGKILL);
        }
        _ = processes::signal(pid, Signal::SIGKILL);
    }
    let clock = tokio::time::Instant::now();
    while clock.elapsed() < LIMIT && keepers().into_iter().any(processes::is_running) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let interface = slot::interface(slot.number());
    if Path::new("/sys/class/net").join(&interface).exists() {
        // It goes by itself with the other end, which may be this very moment.
        ip(&["link", "delete", &interface]).ok();
    }
    groups(slot.number()).iter().for_each(|group| remove_group(group));
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", directory.display()))
        }
        _ => Ok(()),
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Err(error) = remove(self) {
            eprintln!("{error:#}");
        }
    }
}

/// Whether it is what [`super::namespaces`] has started, or its first process.
fn is_keeper(pid: u32) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    program.file_name().is_some_and(|name| ["setpriv", "unshare"].iter().any(|keeper| *keeper == name))
}

/// The control groups of the engines: below each controller, or below the one hierarchy.
fn groups(number: u8) -> Vec<PathBuf> {
    let name = slot::name(number);
    let controllers = std::fs::read_dir(GROUPS).into_iter().flatten().flatten().map(|entry| entry.path());
    let places = controllers.chain([PathBuf::from(GROUPS)]);
    places.map(|place| place.join(&name)).filter(|group| group.is_dir()).collect()
}

/// A control group is removed by its directories alone, the innermost first.
fn remove_group(group: &Path) {
    let inner = std::fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
    inner.filter(|path| path.is_dir()).for_each(|path| remove_group(&path));
    // The kernel may still hold one whose last process ended this moment; what is left is told as a leftover.
    _ = std::fs::remove_dir(group);
}
