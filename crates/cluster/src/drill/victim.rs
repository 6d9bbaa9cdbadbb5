//! Who is struck, and what can be known of its process from outside.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Subject;
use crate::running::{Running, RunningInstance};

/// Who is struck.
#[derive(Debug, Clone)]
pub(super) enum Victim {
    /// An instance of the installation.
    Instance(RunningInstance),
    /// A server of the drill's own application: its place, its address and its process.
    Server { place: usize, url: String, process: u32 },
}

impl Victim {
    /// As its callers name it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Instance(instance) => instance.name.as_str(),
            Self::Server { url, .. } => url,
        }
    }

    pub(super) const fn process(&self) -> u32 {
        match self {
            Self::Instance(instance) => instance.pid,
            Self::Server { process, .. } => *process,
        }
    }
}

/// When a fault was done, and from when on the victim answered nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Struck {
    pub(super) at: Instant,
    pub(super) silent: Instant,
}

/// Waits until a process that was killed is gone with all its connections.
pub(super) async fn gone(process: u32) -> Instant {
    let began = Instant::now();
    while is_alive(process) && began.elapsed() < Duration::from_secs(2) {
        sleep(Duration::from_millis(1)).await;
    }
    Instant::now()
}

/// Whether any thread of a process lives: its connections are open as long, also where the first
/// thread is a zombie already. (proc(5): the state follows the name, which is in parentheses and may
/// contain anything.)
fn is_alive(process: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return false };
    threads.flatten().any(|thread| {
        let text = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = text.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
    })
}

/// Who calls the subject, so that their metrics tell of it.
pub(super) fn callers(running: &Running, subject: Subject) -> Vec<RunningInstance> {
    subject.caller().into_iter().flat_map(|caller| running.of(caller)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_gone_when_it_is_a_zombie() {
        assert!(is_alive(std::process::id()) && !is_alive(u32::MAX));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let began = Instant::now();
        gone(child.id()).await;
        assert!(
            !is_alive(child.id()) && began.elapsed() < Duration::from_secs(2),
            "nobody has waited for it"
        );
        child.wait().unwrap();
    }
}
