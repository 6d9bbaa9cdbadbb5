//! A simulated member: a process that lives, hangs, stops and dies, and the database that all
//! members share.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

use super::Ms;

/// One member's process and machine.
#[derive(Debug, Default)]
pub struct Instance {
    life: Mutex<Life>,
    changed: Notify,
}

/// What it is now. The numbers count the faults that are upon it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Life {
    /// Which of its processes it is.
    pub incarnation: u32,
    /// Not running.
    pub gone: u32,
    /// Its machine is without power: not even a refusal comes back.
    pub silent: u32,
    /// Stopped (SIGSTOP).
    pub hung: u32,
    pub drains: bool,
    /// Drains, and takes no more calls.
    pub refuses: bool,
    pub busy: u32,
    /// Gets more calls than it can answer.
    pub overloaded: u32,
    pub unable: u32,
    pub slow: Ms,
    pub slow_beats: Ms,
}

impl Instance {
    pub fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap()
    }

    pub fn change(&self, change: impl FnOnce(&mut Life)) {
        change(&mut self.life());
        self.changed.notify_waiters();
    }

    /// The process ends, however it was.
    pub fn end(&self, silent: u32) {
        self.change(|life| {
            life.gone += 1;
            life.silent += silent;
            life.incarnation += 1;
            (life.hung, life.drains, life.refuses) = (0, false, false);
        });
    }

    pub fn start(&self, silent: u32) {
        self.change(|life| {
            life.gone -= 1;
            life.silent -= silent;
        });
    }

    /// Waits until that process runs; false if it ended.
    pub async fn runs(&self, incarnation: u32) -> bool {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let life = *self.life();
            if life.incarnation != incarnation || life.gone > 0 {
                return false;
            }
            if life.hung == 0 {
                return true;
            }
            changed.await;
        }
    }
}

/// The database that all members share: one row per effect key.
#[derive(Debug, Default)]
pub struct Effects(Mutex<BTreeMap<usize, Vec<u64>>>);

impl Effects {
    /// Does what `call` wants, unless its row is there; answers the outcome, which differs each time
    /// that it is done. Without a key it is done every time.
    pub fn take(&self, call: usize, has_key: bool) -> (u64, bool) {
        let mut rows = self.0.lock().unwrap();
        let done: u64 = rows.values().map(|outcomes| u64::try_from(outcomes.len()).unwrap()).sum();
        let outcomes = rows.entry(call).or_default();
        if has_key && let Some(outcome) = outcomes.first() {
            return (*outcome, false);
        }
        outcomes.push(done + 1);
        (done + 1, true)
    }
}
