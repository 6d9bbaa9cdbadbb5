//! One child as all that a process is there for: what stands first in a container. It restarts the child, hands
//! SIGTERM on to it, and reaps what others orphan, which the kernel gives to the first process.

use std::io;
use std::time::Duration;

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{ChildSpec, Children, Oversight, Supervisor};
use crate::lifecycle::Lifecycle;

/// When an orphan is looked for again that the child's own end hides.
const AGAIN: Duration = Duration::from_millis(20);

/// Keeps one child until a signal ends it, which is then `None`; or until the child ends with a code that is `last`,
/// since starting it again would change nothing. The child writes where this process writes.
///
/// # Errors
/// When there is no runtime, or signals cannot be listened to.
pub fn keep_one(spec: ChildSpec, last: impl Fn(i32) -> bool) -> io::Result<Option<i32>> {
    // On one thread nobody can look for orphans between a child's start and the note of it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(keep(spec, last))
}

async fn keep(spec: ChildSpec, last: impl Fn(i32) -> bool) -> io::Result<Option<i32>> {
    let lifecycle = Lifecycle::new();
    lifecycle.stop_on_signals()?;
    let supervisor = Supervisor::start_all(&lifecycle, vec![spec], None);
    supervisor.oversee(&lifecycle, Oversight::default());
    let mut states = supervisor.states();
    let reaping = reap(supervisor.states());
    let ended = tokio::select! {
        () = lifecycle.stopping() => None,
        code = last_code(&mut states, last) => code,
        reaped = reaping => return Err(reaped),
    };
    lifecycle.stop("the child ended for good");
    supervisor.stop().await;
    Ok(ended)
}

/// The code with which the child ended, if that is its last end.
async fn last_code(states: &mut watch::Receiver<Children>, last: impl Fn(i32) -> bool) -> Option<i32> {
    let code = |children: &Children| {
        let ended = children.values().filter(|child| child.pid.is_none());
        ended.filter_map(|child| child.last_code).find(|code| last(*code))
    };
    // The keeper that tells lives as long as the supervisor.
    states.wait_for(|children| code(children).is_some()).await.ok().and_then(|children| code(&children))
}

/// Reaps every child that was not started here; returns only if that is impossible.
async fn reap(states: watch::Receiver<Children>) -> io::Error {
    let mut ended = match signal(SignalKind::child()) {
        Ok(ended) => ended,
        Err(error) => return error,
    };
    loop {
        // A look only: the child's own end is its keeper's to read.
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let found = waitid(Id::All, look).ok().as_ref().and_then(WaitStatus::pid);
        let Some(pid) = found else {
            ended.recv().await;
            continue;
        };
        let is_own =
            states.borrow().values().any(|child| child.pid.map(u32::cast_signed) == Some(pid.as_raw()));
        if is_own {
            tokio::time::sleep(AGAIN).await;
        } else {
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
    }
}
