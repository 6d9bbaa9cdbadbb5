//! The supervisor: starts child processes, restarts what dies, keeps their logs, ends them in order.
//!
//! It knows nothing of what the children do. It must run on a runtime whose threads last as long
//! as the process.

mod backoff;
mod child;
mod log;
mod orphans;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use log::{LOG_FILE_BYTES, LOG_FILES, rotated};
pub use orphans::end_orphans;

use crate::lifecycle::Lifecycle;

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
}

/// The states of all children by name.
pub type Children = BTreeMap<String, ChildState>;

/// Running children.
#[derive(Debug)]
pub struct Supervisor {
    states: watch::Receiver<Children>,
    stages: BTreeMap<u8, Stage>,
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
        let (sender, states) = watch::channel(Children::new());
        let sender = Arc::new(sender);
        let mut stages: BTreeMap<u8, Stage> = BTreeMap::new();
        for spec in specs {
            let stage = stages.entry(spec.stop_stage).or_default();
            let keeper = child::Keeper {
                log: logs.join(format!("{}.log", spec.name)),
                stop: stage.stop.clone(),
                states: Arc::clone(&sender),
                lifecycle: lifecycle.clone(),
                spec,
            };
            stage.tasks.push(lifecycle.spawn("keep a child", keeper.keep()));
        }
        Self { states, stages }
    }

    /// Follows the children's states.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<Children> {
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
