//! When a child that does not answer is hung, and is killed so that another process can take its
//! place: pure. The shell is `overseer.rs`.
//!
//! Every child that is watched is asked every 100 ms whether it lives. A child that leaves questions
//! unanswered is looked at. It is killed when
//!
//! - it holds the database's write lock, so that nobody else can write, and has been silent for
//!   300 ms; or for 1 s where a thread of it would run if it could: it may only be short of time;
//! - it has been silent for as long as its kind may be ([`Watched::silence`]).
//!
//! A watcher whose own rounds come late, because the machine is busy or because it was stopped
//! itself, knows nothing of the time that it missed: all evidence begins anew.

use std::collections::BTreeMap;
use std::time::Duration;

use super::proc::Posture;

/// Between two rounds.
pub(super) const ROUND: Duration = Duration::from_millis(50);
/// Between two questions to the same child.
const BEAT: Duration = Duration::from_millis(100);
/// A round that comes so much later than it should discards all evidence.
const LATE: Duration = Duration::from_millis(100);
/// A silent child that holds the write lock is killed after this ...
const WITH_LOCK: Duration = Duration::from_millis(300);
/// ... or after this, where it would run if it could.
const WITH_LOCK_BUSY: Duration = Duration::from_secs(1);
/// A child that has never answered is still starting for so long.
const STARTING: Duration = Duration::from_secs(30);

/// What is watched of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Where it answers `GET /live`.
    pub address: String,
    /// A child that has been silent for so long is killed.
    pub silence: Duration,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// It is time for the next round.
    Round,
    /// A process of a child was started.
    Started { child: &'a str, pid: u32, silence: Duration },
    /// The process ended.
    Ended { child: &'a str },
    /// The process answered, or its address refused: whoever refuses is not silent.
    Answered { child: &'a str, pid: u32, is_live: bool },
    /// What a look at the process has shown; of the process that holds the write lock too.
    Seen { child: &'a str, posture: Posture, holds_lock: bool },
    /// It was made to go on after a drill had stopped it.
    Continued { child: &'a str },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Ask the child whether it lives.
    Ask { child: String, pid: u32 },
    /// Look what the process is doing, and whether it holds the lock.
    Look { child: String, pid: u32 },
    /// Kill the process.
    Kill { child: String, pid: u32, why: String },
}

/// All children that are watched. Moments are counted from any one beginning.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pulses: BTreeMap<String, Pulse>,
    last_round: Option<Duration>,
}

#[derive(Debug)]
struct Pulse {
    pid: u32,
    silence: Duration,
    /// The last sign of life, or the moment from which evidence counts.
    heard: Duration,
    has_answered: bool,
    /// Since when a question is unanswered.
    asked: Option<Duration>,
    /// Since when every look has seen it hold the lock.
    holding: Option<Duration>,
    is_killed: bool,
}

impl Watch {
    /// Takes in what happened at `now`.
    pub(super) fn handle(&mut self, event: Event<'_>, now: Duration) -> Vec<Command> {
        match event {
            Event::Round => return self.round(now),
            Event::Started { child, pid, silence } => {
                self.pulses.insert(child.to_owned(), Pulse::new(pid, silence, now));
            }
            Event::Ended { child } => drop(self.pulses.remove(child)),
            Event::Answered { child, pid, is_live } => {
                if let Some(pulse) = self.pulses.get_mut(child).filter(|pulse| pulse.pid == pid) {
                    pulse.has_answered |= is_live;
                    pulse.asked = None;
                    pulse.begin_anew(now);
                }
            }
            Event::Seen { child, posture, holds_lock } => return self.seen(child, posture, holds_lock, now),
            Event::Continued { child } => {
                if let Some(pulse) = self.pulses.get_mut(child) {
                    pulse.begin_anew(now);
                }
            }
        }
        Vec::new()
    }

    fn round(&mut self, now: Duration) -> Vec<Command> {
        let since = self.last_round.replace(now).map_or(Duration::ZERO, |last| now.saturating_sub(last));
        if since > ROUND + LATE {
            self.pulses.values_mut().for_each(|pulse| pulse.begin_anew(now));
        }
        self.pulses.iter_mut().filter_map(|(child, pulse)| pulse.round(child, now)).collect()
    }

    fn seen(&mut self, child: &str, posture: Posture, holds_lock: bool, now: Duration) -> Vec<Command> {
        let Some(pulse) = self.pulses.get_mut(child) else { return Vec::new() };
        pulse.seen(child, posture, holds_lock, now).into_iter().collect()
    }
}

impl Pulse {
    const fn new(pid: u32, silence: Duration, now: Duration) -> Self {
        let (asked, holding) = (None, None);
        Self { pid, silence, heard: now, has_answered: false, asked, holding, is_killed: false }
    }

    const fn begin_anew(&mut self, now: Duration) {
        self.heard = now;
        self.holding = None;
    }

    fn round(&mut self, child: &str, now: Duration) -> Option<Command> {
        if self.is_killed {
            return None;
        }
        let (child, pid) = (child.to_owned(), self.pid);
        let Some(asked) = self.asked else {
            let is_due = !self.has_answered || now.saturating_sub(self.heard) + ROUND > BEAT;
            return is_due.then(|| {
                self.asked = Some(now);
                Command::Ask { child, pid }
            });
        };
        let limit = if self.has_answered { self.silence } else { self.silence.max(STARTING) };
        if self.is_silent_for(limit, now) {
            return Some(self.kill(child, format!("silent for {limit:?}")));
        }
        (now.saturating_sub(asked) >= BEAT).then_some(Command::Look { child, pid })
    }

    fn seen(&mut self, child: &str, posture: Posture, holds_lock: bool, now: Duration) -> Option<Command> {
        if !holds_lock || self.is_killed {
            self.holding = None;
            return None;
        }
        let holding = *self.holding.get_or_insert(now);
        let limit = if posture == Posture::Busy { WITH_LOCK_BUSY } else { WITH_LOCK };
        // One that is starting answers nothing yet; only if it is stopped, it will never.
        let may_be_judged = self.has_answered || posture == Posture::Stopped;
        let is_held_on = now.saturating_sub(holding) >= BEAT;
        let is_hung = may_be_judged && is_held_on && self.is_silent_for(limit, now);
        is_hung.then(|| {
            let silent = now.saturating_sub(self.heard).as_millis();
            self.kill(
                child.to_owned(),
                format!("holds the database's write lock, and silent for {silent} ms"),
            )
        })
    }

    /// Whether nothing was heard for so long although it was asked in time.
    fn is_silent_for(&self, limit: Duration, now: Duration) -> bool {
        let unanswered = self.asked.map_or(Duration::ZERO, |asked| now.saturating_sub(asked));
        now.saturating_sub(self.heard) >= limit && unanswered + BEAT >= limit
    }

    const fn kill(&mut self, child: String, why: String) -> Command {
        self.is_killed = true;
        Command::Kill { child, pid: self.pid, why }
    }
}

#[cfg(test)]
mod tests;
