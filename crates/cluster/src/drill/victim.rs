//! Kills an instance's process, after making sure that it is one of the installation's.

use std::time::Duration;

use evergate_model::Service;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use super::DrillError;
use crate::running::{Running, RunningInstance};

/// When a process was killed, and when it was gone with all its connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Killed {
    pub(super) at: Instant,
    pub(super) gone: Instant,
}

/// Sends SIGKILL and waits until the process is gone.
pub(super) async fn kill_instance(
    running: &Running,
    instance: &RunningInstance,
) -> Result<Killed, DrillError> {
    let name = || instance.name.to_string();
    if parent(instance.pid) != Some(running.supervisor) {
        return Err(DrillError::NotOurs {
            instance: name(),
            pid: instance.pid,
            supervisor: running.supervisor,
        });
    }
    let pid = Pid::from_raw(instance.pid.cast_signed());
    let at = Instant::now();
    kill(pid, Signal::SIGKILL).map_err(|source| DrillError::Kill { instance: name(), source })?;
    while is_alive(instance.pid) && at.elapsed() < Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(Killed { at, gone: Instant::now() })
}

/// The state letter and the parent of a process (proc(5): the name may contain anything, so what
/// follows its last parenthesis is read).
fn status(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn parent(pid: u32) -> Option<u32> {
    status(pid).map(|(_, parent)| parent)
}

/// A zombie has closed everything it had.
fn is_alive(pid: u32) -> bool {
    status(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// The pid that the instance has now, if it is another than before.
pub(super) fn restarted(data: &std::path::Path, before: &RunningInstance) -> Option<RunningInstance> {
    let now = Running::read(data).ok()?;
    now.instances.into_iter().find(|instance| instance.name == before.name && instance.pid != before.pid)
}

/// Who calls the instances of a service, so that their metrics tell of it.
pub(super) fn callers(running: &Running, of: Service) -> Vec<RunningInstance> {
    let caller = match of {
        Service::Policy | Service::Authentication | Service::Administration => Service::AccessPoint,
        Service::Distribution => Service::Administration,
        Service::AccessPoint => return Vec::new(),
    };
    running.of(caller).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_parent_and_a_stranger_is_not_touched() {
        let own = std::process::id();
        assert_eq!(parent(own), Some(std::os::unix::process::parent_id()));
        assert!(is_alive(own) && !is_alive(u32::MAX));
    }
}
