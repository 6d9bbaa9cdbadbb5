//! A pool with its connections: what services hold.

mod starting;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evergate_model::Timestamp;
use evergate_model::topology::Mode;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;

pub(super) use starting::{Cost, Start};

use super::chooser::Chooser;
use super::dial::Dial;
use super::lateness::Pulse;
use super::links::{Links, Numbered};
use super::tell;
use crate::engine::{
    Budget, Command, Engine, Event, Member, MemberId, PoolStatus, Settings, Shares, State as MemberState,
};

/// How many events a slow listener may lie behind before it misses some.
const EVENTS_KEPT: usize = 256;

/// What a pool is told at its making.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// The link's name in metrics, events and status: `policy`.
    pub link: String,
    /// The moment it is made; from here on it counts with a clock that cannot jump.
    pub now: Timestamp,
    /// The engine's patience.
    pub settings: Settings,
    /// Between two heartbeats, and how long each is waited for.
    pub heartbeat: Duration,
    /// How long a connection may take to be made.
    pub dial: Duration,
    /// Who chooses the member for a call.
    pub chooser: Chooser,
    /// Which share of the calls may be made again at once.
    pub shares: Shares,
}

impl PoolOptions {
    /// The options of an internal link: a heartbeat every 250 ms (design.md section 5).
    #[must_use]
    pub fn internal(link: &str, now: Timestamp) -> Self {
        Self {
            link: link.to_owned(),
            now,
            settings: Settings::default(),
            heartbeat: Duration::from_millis(250),
            dial: Duration::from_secs(1),
            chooser: Chooser::default(),
            shares: Shares::default(),
        }
    }
}

/// An ordered pool of equal servers. Cheap to clone; all clones are the same pool.
pub struct Pool<D: Dial>(pub(super) Arc<Shared<D>>);

pub(super) struct Shared<D: Dial> {
    pub(super) options: PoolOptions,
    pub(super) dial: Arc<D>,
    pub(super) links: Links<D>,
    state: Mutex<State>,
    began: Instant,
    events: broadcast::Sender<Command>,
    /// Sent to whenever the list of members changes.
    pub(super) configured: watch::Sender<()>,
    /// Wakes the calls in flight when a member's state changes, or a connection was given up.
    pub(super) moved: Notify,
    pub(super) pulse: Pulse,
}

struct State {
    engine: Engine,
    budget: Budget,
}

impl<D: Dial> Clone for Pool<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Dial> std::fmt::Debug for Pool<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("link", &self.0.options.link).finish_non_exhaustive()
    }
}

impl<D: Dial> Pool<D> {
    /// A pool of these members. Whoever makes it spawns [`Pool::run`].
    #[must_use]
    pub fn new(dial: D, members: Vec<Member>, mode: Mode, options: PoolOptions) -> Self {
        let engine = Engine::new(members, mode, options.settings.clone(), options.now);
        tell::tell_all(&options.link, &engine);
        let budget = Budget::new(options.shares, options.now);
        let dial = Arc::new(dial);
        Self(Arc::new(Shared {
            links: Links::new(Arc::clone(&dial), options.dial),
            options,
            dial,
            state: Mutex::new(State { engine, budget }),
            began: Instant::now(),
            events: broadcast::Sender::new(EVENTS_KEPT),
            configured: watch::Sender::new(()),
            moved: Notify::new(),
            pulse: Pulse::default(),
        }))
    }

    /// Takes a new list of members; what is known of those that stay is kept.
    pub fn reconfigure(&self, members: Vec<Member>, mode: Mode) {
        self.0.links.retain(&members);
        let before: Vec<MemberId> = self.members().into_iter().map(|member| member.id).collect();
        for gone in before.iter().filter(|id| members.iter().all(|member| member.id != **id)) {
            tell::tell_gone(&self.0.options.link, gone);
        }
        self.0.handle(Event::Configured { members, mode });
        tell::tell_all(&self.0.options.link, &self.0.lock().engine);
        self.0.configured.send_replace(());
        self.0.moved.notify_waiters();
    }

    /// The link's name.
    #[must_use]
    pub fn link(&self) -> &str {
        &self.0.options.link
    }

    /// The members, in their order.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        self.0.lock().engine.members().cloned().collect()
    }

    /// What the pool is now.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        self.0.lock().engine.status(self.0.now())
    }

    /// Whether some member is not down.
    #[must_use]
    pub fn is_anyone_up(&self) -> bool {
        self.0.lock().engine.is_anyone_up()
    }

    /// The attempts that wait for an answer now, at all members together.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.0.lock().engine.in_flight()
    }

    /// Every change of state and every failover from now on. A listener that lies more than 256
    /// behind is told that it missed some.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Command> {
        self.0.events.subscribe()
    }
}

impl<D: Dial> Shared<D> {
    /// The time, by a clock that cannot jump.
    pub(super) fn now(&self) -> Timestamp {
        self.options.now.plus(self.began.elapsed())
    }

    /// Gives the engine an event and tells what follows.
    pub(super) fn handle(&self, event: Event) {
        let commands = self.lock().engine.handle(event, self.now());
        let moved = commands.iter().any(|command| matches!(command, Command::Changed(_)));
        self.tell(commands);
        if moved {
            self.moved.notify_waiters();
        }
    }

    /// What a member is taken to be now.
    pub(super) fn state_of(&self, id: &MemberId) -> Option<MemberState> {
        self.lock().engine.state(id)
    }

    /// Gives up a connection, and lets the calls on it know.
    pub(super) fn give_up(&self, member: &Member, link: &Numbered<D::Link>) {
        if self.links.discard(member, link) {
            self.moved.notify_waiters();
        }
    }

    /// Asks or tells the budget of repetitions.
    pub(super) fn budget<T>(&self, ask: impl FnOnce(&mut Budget, Timestamp) -> T) -> T {
        let now = self.now();
        ask(&mut self.lock().budget, now)
    }

    fn tell(&self, commands: Vec<Command>) {
        for command in commands {
            tell::tell(&self.options.link, &command);
            // Nobody may be listening.
            drop(self.events.send(command));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
