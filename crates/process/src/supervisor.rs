//! The supervisor: starts child processes, restarts what dies, keeps their logs, ends them in order.
//!
//! It knows nothing of what the children do. It must run on a runtime whose threads last as long
//! as the process.

mod backoff;
mod beat;
mod child;
pub mod control;
mod lock_holder;
mod log;
mod orphans;
mod overseer;
mod proc;
mod sole;
mod strikes;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::log::{LOG_FILE_BYTES, LOG_FILES, rotated};
pub use self::orphans::end_orphans;
pub use self::sole::keep_one;
pub use self::watch::Watched;

use self::overseer::{Overseer, Post};
use crate::lifecycle::Lifecycle;

/// Orders to a child's keeper that wait to be read.
const ORDERS: usize = 16;
/// Requests at the control socket that wait to be read.
const REQUESTS: usize = 64;

/// A child process as it should be.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// Its name, also of its log file.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What is added to its environment.
    pub environment: Vec<(OsString, OsString)>,
    /// A listening socket that it finds in place of standard input; the supervisor keeps its own
    /// handle, so that no connection attempt is refused while the child is away.
    pub socket: Option<Arc<OwnedFd>>,
    /// Children of a lower stage are ended before those of a higher one.
    pub stop_stage: u8,
    /// A child that has not ended so long after it was asked is killed.
    pub stop_within: Duration,
    /// When it is taken to hang; nothing for a child that is not watched.
    pub watched: Option<Watched>,
    /// Whether it may be ended for good while the supervisor runs.
    pub may_be_absent: bool,
}

/// What the supervisor does besides starting its children.
#[derive(Debug, Default)]
pub struct Oversight {
    /// The SQLite database that the children share: one that hangs with its write lock is killed.
    pub database: Option<PathBuf>,
    /// Where it may be asked to do faults, and to heal them.
    pub control: Option<UnixListener>,
}

/// A child process as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChildState {
    /// Its process id, while it runs.
    pub pid: Option<u32>,
    /// How often it has been started.
    pub starts: u64,
    /// How the last one ended: `exit status: 1`, `signal: 9 (SIGKILL)`.
    pub last_end: Option<String>,
    /// The exit code of the last one, if it exited by itself.
    pub last_code: Option<i32>,
    /// How often it was killed because it hung.
    pub kills: u64,
    /// Why it was killed last.
    pub last_kill: Option<String>,
}

/// The states of all children by name.
pub type Children = BTreeMap<String, ChildState>;

/// Running children.
#[derive(Debug)]
pub struct Supervisor {
    states: tokio::sync::watch::Receiver<Children>,
    stages: BTreeMap<u8, Stage>,
    posts: BTreeMap<String, Post>,
}

#[derive(Debug, Default)]
struct Stage {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Supervisor {
    /// Starts all children; their output goes to `logs/NAME.log`.
    #[must_use]
    pub fn start(lifecycle: &Lifecycle, specs: Vec<ChildSpec>, logs: &Path) -> Self {
        Self::start_all(lifecycle, specs, Some(logs))
    }

    /// Without a directory for logs, children write where this process writes.
    fn start_all(lifecycle: &Lifecycle, specs: Vec<ChildSpec>, logs: Option<&Path>) -> Self {
        let (sender, states) = tokio::sync::watch::channel(Children::new());
        let sender = Arc::new(sender);
        let mut posts = BTreeMap::new();
        let mut stages: BTreeMap<u8, Stage> = BTreeMap::new();
        for spec in specs {
            let stage = stages.entry(spec.stop_stage).or_default();
            let (post, orders) = mpsc::channel(ORDERS);
            posts.insert(spec.name.clone(), Post::new(&spec, post));
            let keeper = child::Keeper {
                orders,
                log: logs.map(|logs| logs.join(format!("{}.log", spec.name))),
                stop: stage.stop.child_token(),
                states: Arc::clone(&sender),
                lifecycle: lifecycle.clone(),
                spec,
            };
            stage.tasks.push(lifecycle.spawn("keep a child", keeper.keep()));
        }
        Self { states, stages, posts }
    }

    /// Watches the children, and does what is asked at the control socket, until the process stops.
    pub fn oversee(&self, lifecycle: &Lifecycle, oversight: Oversight) {
        let (heard, requests) = mpsc::channel(REQUESTS);
        if let Some(listener) = oversight.control {
            let serving = control::server::serve(lifecycle.clone(), listener, heard);
            lifecycle.spawn_until_stop("control socket", serving);
        }
        let overseer =
            Overseer::new(self.posts.clone(), self.states(), requests, oversight.database.as_deref());
        lifecycle.spawn_until_stop("oversee children", overseer.run());
    }

    /// Follows the children's states.
    #[must_use]
    pub fn states(&self) -> tokio::sync::watch::Receiver<Children> {
        self.states.clone()
    }

    /// Ends all children, stage by stage.
    pub async fn stop(self) {
        for stage in self.stages.into_values() {
            stage.stop.cancel();
            // The tasks kill what does not end in time, so this waits no longer than they do.
            futures_util::future::join_all(stage.tasks).await;
        }
    }
}
