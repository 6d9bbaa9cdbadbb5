//! Keeps one child process running until it is asked to end it.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::{ChildSpec, ChildState, Children, log};
use crate::lifecycle::Lifecycle;

/// What a keeper is told to do. It alone signals the process, since it alone knows that it has not
/// been reaped: a process id may be another's by then.
#[derive(Debug)]
pub(super) enum Order {
    /// Signal whatever process runs now; answers which, or why there is none.
    Strike { signal: Signal, done: oneshot::Sender<Result<u32, &'static str>> },
    /// Let that process go on.
    Continue { pid: u32 },
    /// Kill that process, because it hangs.
    Kill { pid: u32, why: String },
    /// End the child for good.
    End,
}

/// What keeps one child.
pub(super) struct Keeper {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) spec: ChildSpec,
    /// Where its output is kept; without it, it writes where this process writes.
    pub(super) log: Option<PathBuf>,
    pub(super) stop: CancellationToken,
    pub(super) states: Arc<watch::Sender<Children>>,
    pub(super) lifecycle: Lifecycle,
}

impl Keeper {
    /// Starts the child again and again until asked to end it.
    pub(super) async fn keep(mut self) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let started = Instant::now();
            match self.spawn() {
                // A drill's fault says nothing of the child: it is not made to wait for it.
                Ok(child) => backoff = if self.attend(child).await { Backoff::default() } else { backoff },
                Err(error) => {
                    tracing::error!(child = self.spec.name, %error, "a child process cannot be started");
                    self.update(|state| state.last_end = Some(error.to_string()));
                }
            }
            self.pause(backoff.after(started.elapsed())).await;
        }
        if self.spec.may_be_absent {
            self.states.send_modify(|states| drop(states.remove(&self.spec.name)));
        }
    }

    async fn pause(&mut self, pause: Duration) {
        let end = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return,
                () = self.stop.cancelled() => return,
                Some(order) = self.orders.recv() => match order {
                    Order::Strike { done, .. } => drop(done.send(Err("it has no process just now"))),
                    Order::End => self.stop.cancel(),
                    Order::Continue { .. } | Order::Kill { .. } => {}
                },
            }
        }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let input = match &self.spec.socket {
            Some(socket) => Stdio::from(socket.try_clone()?),
            None => Stdio::null(),
        };
        let output = || if self.log.is_some() { Stdio::piped() } else { Stdio::inherit() };
        let mut child = Command::new(&self.spec.program)
            .args(&self.spec.arguments)
            .envs(self.spec.environment.iter().map(|(name, value)| (name, value)))
            .stdin(input)
            .stdout(output())
            .stderr(output())
            // A key pressed in the terminal is for the supervisor, which ends its children in order.
            .process_group(0)
            // Children outlive a supervisor that is killed, not one that loses them by a mistake.
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id();
        self.update(|state| {
            state.pid = pid;
            state.starts += 1;
        });
        if let Some(log) = &self.log {
            log::keep(&self.lifecycle, log, child.stdout.take(), child.stderr.take());
        }
        Ok(child)
    }

    /// Waits until the child ends, by itself or because it is asked to; whether a drill killed it.
    async fn attend(&mut self, mut child: Child) -> bool {
        let mut is_excused = false;
        let ended = loop {
            tokio::select! {
                ended = child.wait() => break ended,
                () = self.stop.cancelled() => break self.end(&mut child).await,
                Some(order) = self.orders.recv() => is_excused |= self.obey(order, &child),
            }
        };
        match ended {
            Ok(status) => self.note_end(status),
            Err(error) => tracing::error!(child = self.spec.name, %error, "a child process is lost"),
        }
        is_excused
    }

    /// Does what is ordered; whether the process was killed for a drill.
    fn obey(&self, order: Order, child: &Child) -> bool {
        let Some(pid) = child.id() else { return false };
        match order {
            Order::Strike { signal, done } => return strike(pid, signal, done, send),
            Order::Continue { pid: wanted } if wanted == pid => {
                let _ = send(pid, Signal::SIGCONT);
            }
            Order::Kill { pid: wanted, why } if wanted == pid => {
                tracing::warn!(child = self.spec.name, pid, why, "killed a child that hangs");
                self.update(|state| {
                    state.kills += 1;
                    state.last_kill = Some(why);
                });
                let _ = send(pid, Signal::SIGKILL);
            }
            Order::End => self.stop.cancel(),
            Order::Continue { .. } | Order::Kill { .. } => {}
        }
        false
    }

    async fn end(&self, child: &mut Child) -> std::io::Result<ExitStatus> {
        if let Some(pid) = child.id() {
            // It may have ended this very moment, which `wait` then says. One that is stopped hears of
            // its end only when it goes on.
            let _ = send(pid, Signal::SIGTERM);
            let _ = send(pid, Signal::SIGCONT);
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

/// Strikes a process if somebody waits for it still: nobody would heal what nobody knows was stopped.
/// Whether it was killed.
fn strike(
    pid: u32,
    signal: Signal,
    done: oneshot::Sender<Result<u32, &'static str>>,
    send: impl Fn(u32, Signal) -> nix::Result<()>,
) -> bool {
    if done.is_closed() {
        return false;
    }
    let struck = send(pid, signal).map(|()| pid).map_err(|_| "it has no process just now");
    if done.send(struck).is_err() && signal == Signal::SIGSTOP {
        let _ = send(pid, Signal::SIGCONT);
    }
    signal == Signal::SIGKILL
}

fn send(pid: u32, signal: Signal) -> nix::Result<()> {
    kill(Pid::from_raw(pid.cast_signed()), signal)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// The signals that process 7 gets; whoever waits for the answer goes away meanwhile if told to.
    fn signals(signal: Signal, waits: bool, goes_away: bool) -> Vec<Signal> {
        let (done, waiting) = oneshot::channel();
        let waiting = RefCell::new(Some(waiting).filter(|_| waits));
        let got = RefCell::new(Vec::new());
        let was_killed = strike(7, signal, done, |_, signal| {
            got.borrow_mut().push(signal);
            waiting.borrow_mut().take_if(|_| goes_away);
            Ok(())
        });
        assert_eq!(was_killed, got.borrow().contains(&Signal::SIGKILL));
        if waits && !goes_away {
            assert_eq!(waiting.into_inner().unwrap().try_recv().unwrap(), Ok(7));
        }
        got.into_inner()
    }

    #[test]
    fn a_strike_that_was_given_up_is_not_done() {
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            assert_eq!(signals(signal, true, false), [signal]);
            assert_eq!(signals(signal, false, false), []);
        }
    }

    #[test]
    fn a_process_that_was_stopped_for_nobody_goes_on() {
        assert_eq!(signals(Signal::SIGSTOP, true, true), [Signal::SIGSTOP, Signal::SIGCONT]);
        assert_eq!(signals(Signal::SIGKILL, true, true), [Signal::SIGKILL]);
    }
}
