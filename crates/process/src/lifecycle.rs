//! The life of a process: every task is named and tracked, a signal asks all of them to stop, and
//! the process ends within a limit whatever they do.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// How long a process may take to end after it was asked to (contract.md).
pub const STOP_LIMIT: Duration = Duration::from_secs(8);

/// The tasks of a process and its wish to stop. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    tasks: TaskTracker,
    stop: CancellationToken,
    cause: Arc<Mutex<Option<String>>>,
}

impl Lifecycle {
    /// A process that has just started and has no task.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task that [`Lifecycle::finish`] will wait for. It must end by itself soon after
    /// [`Lifecycle::stopping`].
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task.instrument(tracing::debug_span!("task", name)))
    }

    /// Starts a task on the current `LocalSet`, for runtimes with one thread of their own.
    pub fn spawn_local<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.tasks.spawn_local(task.instrument(tracing::debug_span!("task", name)))
    }

    /// Starts a task that is simply dropped when the process stops: for endless followers that
    /// have nothing to finish.
    pub fn spawn_until_stop<F>(&self, name: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.spawn(name, async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        })
    }

    /// Starts a task that goes on until the very end and is not waited for.
    #[expect(clippy::disallowed_methods, reason = "this is the door that everything else uses")]
    pub fn spawn_until_end<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(task.instrument(tracing::debug_span!("task", name)))
    }

    /// Resolves when the process has been asked to stop.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the process has been asked to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// The token that is cancelled when the process is asked to stop.
    #[must_use]
    pub const fn token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Asks the process to stop. Only the first cause is kept.
    pub fn stop(&self, cause: impl Into<String>) {
        let mut kept = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            let cause = cause.into();
            tracing::info!(cause, "stopping");
            *kept = Some(cause);
        }
        drop(kept);
        self.stop.cancel();
    }

    /// Why the process was asked to stop, if it was.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops the process at SIGTERM or SIGINT.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub fn stop_on_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let lifecycle = self.clone();
        self.spawn_until_stop("signals", async move {
            let cause = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            lifecycle.stop(cause);
        });
        Ok(())
    }

    /// Waits until every task has ended, at most `limit`; whether they all have.
    pub async fn finish(&self, limit: Duration) -> bool {
        self.tasks.close();
        let drained = tokio::time::timeout(limit, self.tasks.wait()).await.is_ok();
        if !drained {
            tracing::warn!(tasks = self.tasks.len(), "some tasks did not end in time");
        }
        drained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finishing_waits_for_every_task() {
        let lifecycle = Lifecycle::new();
        let inner = lifecycle.clone();
        lifecycle.spawn("worker", async move { inner.stopping().await });
        lifecycle.stop("test");
        lifecycle.stop("second");
        assert!(lifecycle.finish(Duration::from_secs(5)).await);
        assert_eq!(lifecycle.cause().as_deref(), Some("test"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_not_waited_for_longer_than_the_limit() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("stuck", std::future::pending::<()>());
        lifecycle.stop("test");
        assert!(!lifecycle.finish(Duration::from_secs(8)).await);
    }
}
