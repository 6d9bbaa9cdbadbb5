//! Keeps one child process running until it is asked to end it.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::{ChildSpec, ChildState, Children, log};
use crate::lifecycle::Lifecycle;

/// What keeps one child.
pub(super) struct Keeper {
    pub(super) spec: ChildSpec,
    pub(super) log: PathBuf,
    pub(super) stop: CancellationToken,
    pub(super) states: Arc<watch::Sender<Children>>,
    pub(super) lifecycle: Lifecycle,
}

impl Keeper {
    /// Starts the child again and again until asked to end it.
    pub(super) async fn keep(self) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let started = Instant::now();
            match self.spawn() {
                Ok(child) => self.attend(child).await,
                Err(error) => {
                    tracing::error!(child = self.spec.name, %error, "a child process cannot be started");
                    self.update(|state| state.last_end = Some(error.to_string()));
                }
            }
            let pause = backoff.after(started.elapsed());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let input = match &self.spec.socket {
            Some(socket) => Stdio::from(socket.try_clone()?),
            None => Stdio::null(),
        };
        let mut child = Command::new(&self.spec.program)
            .args(&self.spec.arguments)
            .envs(self.spec.environment.iter().map(|(name, value)| (name, value)))
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A key pressed in the terminal is for the supervisor, which ends its children in order.
            .process_group(0)
            .spawn()?;
        let pid = child.id();
        self.update(|state| {
            state.pid = pid;
            state.starts += 1;
        });
        log::keep(&self.lifecycle, &self.log, child.stdout.take(), child.stderr.take());
        Ok(child)
    }

    /// Waits until the child ends, by itself or because it is asked to.
    async fn attend(&self, mut child: Child) {
        let ended = tokio::select! {
            ended = child.wait() => ended,
            () = self.stop.cancelled() => self.end(&mut child).await,
        };
        match ended {
            Ok(status) => self.note_end(status),
            Err(error) => tracing::error!(child = self.spec.name, %error, "a child process is lost"),
        }
    }

    async fn end(&self, child: &mut Child) -> std::io::Result<ExitStatus> {
        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // It may have ended this very moment, which `wait` then says.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        match tokio::time::timeout(self.spec.stop_within, child.wait()).await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::warn!(child = self.spec.name, "killed: it did not end in time");
                child.start_kill()?;
                child.wait().await
            }
        }
    }

    fn note_end(&self, status: ExitStatus) {
        if self.stop.is_cancelled() {
            tracing::debug!(child = self.spec.name, %status, "a child process ended");
        } else {
            tracing::warn!(child = self.spec.name, %status, signal = status.signal(), "a child process ended; it is started again");
        }
        self.update(|state| {
            state.pid = None;
            state.last_end = Some(status.to_string());
            state.last_code = status.code();
        });
    }

    fn update(&self, change: impl FnOnce(&mut ChildState)) {
        self.states.send_modify(|states| change(states.entry(self.spec.name.clone()).or_default()));
    }
}
