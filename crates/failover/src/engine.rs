//! The state machine of one ordered pool (design.md section 5): no IO, clock or chance.
//!
//! [`Engine::handle`] takes what happened and answers what the world should be told;
//! [`Engine::pick`] says who gets the next call. Both are given the time, and `pick` a random
//! number, by whoever drives them.
//!
//! How a member's state moves:
//!
//! ```text
//!        missed heartbeat, call timed out,          timed-out call and 3 misses,
//!        overdue calls and nothing heard            refused or reset
//!      Up ───────────────────────────────> Suspect ───────────────────────────────> Down
//!      │ ^ <─── any answered byte (then held down: not preferred for a while) ──┘     │ ^
//!      │ └────────── any answered byte (then held down: not preferred for a while) ───┘ │
//!      ├─────────── refused or reset ───────────────────────────────────────────────────┤
//!      └───────────> Draining (said beforehand) ─────── as from Suspect ────────────────┘
//!                    (from Suspect, too; serving again: Up, at once)
//! ```
//!
//! A member whose calls are overdue again and again, although it answers other things, stays up,
//! but is held down as well. docs/failover.md tells it at length.

mod budget;
mod change;
mod event;
mod member;
mod pick;
mod record;
mod settings;
mod silence;
mod standing;
mod status;
#[cfg(test)]
mod tests;

use evergate_model::Timestamp;
use evergate_model::topology::Mode;

pub use budget::{Budget, Shares};
pub use change::{Cause, Change, Command, Failover};
pub use event::{Event, Failure};
pub use member::{Member, MemberId, State};
pub use settings::Settings;
pub use standing::Counts;
pub use status::{Candidate, LastFailover, PoolStatus};

use standing::Standing;

/// The state of one ordered pool.
#[derive(Debug, Clone)]
pub struct Engine {
    settings: Settings,
    mode: Mode,
    members: Vec<Standing>,
    /// Who gets the calls now, the first being *active*; empty while every member is down.
    serving: Vec<MemberId>,
    /// The one that served last, with what went wrong, while nobody serves.
    orphaned: Option<(MemberId, Cause, Timestamp)>,
    failovers: u64,
    last: Option<LastFailover>,
}

impl Engine {
    /// A pool whose members are all taken to be up until they show otherwise.
    #[must_use]
    pub fn new(members: Vec<Member>, mode: Mode, settings: Settings, now: Timestamp) -> Self {
        let members = members.into_iter().map(|member| Standing::new(member, &settings, now)).collect();
        let mut engine =
            Self { settings, mode, members, serving: Vec::new(), orphaned: None, failovers: 0, last: None };
        engine.serving = engine.serving_at(now);
        engine
    }

    /// Takes note of what happened; answers every change that follows from it.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        let mut commands = Vec::new();
        if let Some(change) = self.apply(event, now) {
            commands.push(Command::Changed(change));
        }
        self.follow_serving(now, &mut commands);
        commands
    }

    fn apply(&mut self, event: Event, now: Timestamp) -> Option<Change> {
        let settings = self.settings.clone();
        match event {
            Event::Tick => None,
            Event::Configured { members, mode } => {
                self.configure(members, mode, now);
                None
            }
            Event::Started { member } => {
                self.standing(&member)?.start(&settings, now);
                None
            }
            Event::Abandoned { member } => {
                self.standing(&member)?.end_call();
                None
            }
            Event::Overdue { member, started } => self.standing(&member)?.overdue(started, &settings, now),
            Event::Answered { member, started } => {
                let standing = self.standing(&member)?;
                standing.end_call();
                standing.counts.answered += 1;
                standing.answered(started, &settings, now)
            }
            Event::AnsweredLate { member, started } => {
                let standing = self.standing(&member)?;
                standing.end_call();
                standing.counts.answered += 1;
                standing.alive(started, &settings, now)
            }
            Event::Failed { member, started, failure } => {
                let standing = self.standing(&member)?;
                standing.end_call();
                standing.counts.failed += 1;
                standing.failed(failure, started, &settings, now)
            }
            Event::HeartbeatAnswered { member, started } => {
                self.standing(&member)?.beat_answered(started, &settings, now)
            }
            Event::HeartbeatFailed { member, started, failure } => {
                self.standing(&member)?.failed(failure, started, &settings, now)
            }
            // On a busy machine the watcher, too, can be slow: its misses then say nothing.
            Event::HeartbeatMissed { watcher_late: true, .. } => None,
            Event::HeartbeatMissed { member, watcher_late: false } => {
                self.standing(&member)?.missed(&settings, now)
            }
            Event::SaidDraining { member } => self.standing(&member)?.said_draining(now),
        }
    }

    /// Keeps what is known of members that stay (same id and address).
    fn configure(&mut self, members: Vec<Member>, mode: Mode, now: Timestamp) {
        let mut known = std::mem::take(&mut self.members);
        self.mode = mode;
        for member in members {
            let same = |standing: &Standing| {
                standing.member.id == member.id && standing.member.address == member.address
            };
            let standing = match known.iter().position(same) {
                Some(at) => known.swap_remove(at).configured_as(member),
                None => Standing::new(member, &self.settings, now),
            };
            self.members.push(standing);
        }
    }

    /// Compares who should serve with who did, and tells the difference.
    fn follow_serving(&mut self, now: Timestamp, commands: &mut Vec<Command>) {
        let serving = self.serving_at(now);
        if serving == self.serving {
            return;
        }
        let before = std::mem::replace(&mut self.serving, serving);
        let mut left: Vec<_> = before
            .into_iter()
            .filter(|id| !self.serving.contains(id))
            .filter_map(|id| {
                let (cause, since) = self.why_left(&id, now)?;
                Some((id, cause, since))
            })
            .collect();
        let Some(to) = self.serving.first().cloned() else {
            self.orphaned = self.orphaned.take().or_else(|| left.into_iter().next());
            return;
        };
        left.extend(self.orphaned.take().filter(|(id, ..)| !self.serving.contains(id)));
        for (from, cause, since) in left {
            let took = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
            self.failovers += 1;
            self.last = Some(LastFailover { cause, at: now, took_ms: took });
            commands.push(Command::Failover(Failover {
                from,
                to: to.clone(),
                cause,
                at: now,
                took_ms: took,
            }));
        }
    }

    /// Why a member serves no more, and since when there was trouble. `None` if that is no failover:
    /// the member never answered, or the one that serves now answered for the first time.
    fn why_left(&self, id: &MemberId, now: Timestamp) -> Option<(Cause, Timestamp)> {
        let find = |id: &MemberId| self.members.iter().find(|standing| standing.member.id == *id);
        let newcomer =
            || self.serving.first().and_then(find).is_some_and(|new| new.proven_since == Some(now));
        match find(id) {
            None => Some((Cause::Configured, now)),
            Some(standing) if standing.proven_since.is_none() => None,
            Some(standing) if standing.is_slow_at(now) => {
                standing.slow.map(|(_, overdue_since)| (Cause::Slow, overdue_since))
            }
            Some(standing) if standing.state == State::Up && newcomer() => None,
            Some(standing) if standing.state == State::Up => Some((Cause::Failback, now)),
            Some(standing) => Some((standing.cause, standing.trouble_since.unwrap_or(now))),
        }
    }

    fn standing(&mut self, id: &MemberId) -> Option<&mut Standing> {
        self.members.iter_mut().find(|standing| standing.member.id == *id)
    }

    /// The members, in the order they were configured in.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().map(|standing| &standing.member)
    }

    /// What a member was last known to be.
    #[must_use]
    pub fn state(&self, id: &MemberId) -> Option<State> {
        self.members.iter().find(|standing| standing.member.id == *id).map(|standing| standing.state)
    }

    /// Whether a member is up and, as far as is known, answers in time.
    #[must_use]
    pub fn is_well(&self, id: &MemberId, now: Timestamp) -> bool {
        self.members.iter().any(|standing| standing.member.id == *id && standing.is_well_at(now))
    }

    /// What is counted of a member.
    #[must_use]
    pub fn counts(&self, id: &MemberId) -> Option<Counts> {
        self.members.iter().find(|standing| standing.member.id == *id).map(|standing| standing.counts)
    }

    /// The calls that wait for an answer now, at all members together.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.members.iter().map(|standing| standing.counts.in_flight).sum()
    }

    /// Whether some member is not down.
    #[must_use]
    pub fn is_anyone_up(&self) -> bool {
        self.members.iter().any(|standing| standing.state != State::Down)
    }

    /// How callers use the members.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }
}
