//! The servers of one resource, in order of preference: the failover engine, driven by the
//! outcomes of requests.
//!
//! While every server is well, requests only read one flag; the engine is asked, and told, from
//! the first failure until all is well again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evergate_failover::engine::{Command, Event, Failure, PoolStatus, Settings, State};
use evergate_failover::shell::tell;
use evergate_failover::{Engine, Member, MemberId};
use evergate_model::Timestamp;
use evergate_model::topology::Mode;
use evergate_process::Clock;
use tokio::time::Instant;

use super::latency::Latency;
use super::server::{Server, UrlError};

/// So many requests that wait for a server which says nothing do not all wait for something slow.
const SEVERAL: u32 = 3;

/// The servers of one resource.
#[derive(Debug)]
pub(crate) struct Upstreams {
    /// The link's name in metrics and status: `upstream/NAME`.
    pub(crate) link: String,
    mode: Mode,
    servers: Vec<Arc<Server>>,
    engine: Mutex<Engine>,
    /// Every server is up and may be preferred.
    is_steady: AtomicBool,
    /// How long they take.
    pub(crate) latency: Latency,
    clock: Clock,
}

/// Who may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Whoever the engine says.
    Any,
    /// Nobody who may hang, while another does not: for what could not be sent elsewhere as well.
    NoTrials,
    /// Only who is well.
    Well,
}

/// One request at one server: its outcome must be told, or it counts as abandoned.
#[derive(Debug)]
pub(crate) struct Attempt {
    upstreams: Arc<Upstreams>,
    server: Arc<Server>,
    began: Instant,
    /// When it began, if the engine was told.
    started: Option<Timestamp>,
    /// It has taken long.
    is_watched: bool,
    is_told: bool,
}

/// An attempt that has taken long, as its request sees it.
#[derive(Debug)]
pub(crate) struct Watch {
    server: Arc<Server>,
    began: Instant,
    started: Timestamp,
    is_overdue: bool,
}

impl Upstreams {
    /// The servers at these URLs; those that `before` had keep their connections.
    ///
    /// # Errors
    /// When one of them is not the URL of a server.
    pub(crate) fn new(
        name: &str,
        urls: &[String],
        mode: Mode,
        before: Option<&Self>,
        clock: &Clock,
    ) -> Result<Self, UrlError> {
        let known = |url: &String| {
            let servers = before.map_or(&[][..], |before| &before.servers);
            servers.iter().find(|server| server.member.as_str() == url).cloned()
        };
        let server = |url: &String| known(url).map_or_else(|| Server::from_url(url).map(Arc::new), Ok);
        let servers = urls.iter().map(server).collect::<Result<Vec<_>, _>>()?;
        let member =
            |(order, url): (usize, &String)| Member::new(url, url, u32::try_from(order).unwrap_or(u32::MAX));
        let members = urls.iter().enumerate().map(member).collect();
        let engine = Engine::new(members, mode, Settings::without_heartbeats(), clock.now());
        let link = format!("upstream/{name}");
        tell::tell_all(&link, &engine);
        Ok(Self {
            link,
            mode,
            servers,
            engine: Mutex::new(engine),
            is_steady: AtomicBool::new(true),
            latency: Latency::default(),
            clock: clock.clone(),
        })
    }

    /// Whether these are the servers at `urls`, used by `mode`.
    #[must_use]
    pub(crate) fn are(&self, urls: &[String], mode: Mode) -> bool {
        self.mode == mode
            && self.servers.iter().map(|server| server.member.as_str()).eq(urls.iter().map(String::as_str))
    }

    /// Says in the metrics which servers are not among those of `now`.
    pub(crate) fn tell_gone(&self, now: Option<&Self>) {
        let stays = |server: &Server| {
            now.is_some_and(|now| now.servers.iter().any(|other| other.member == server.member))
        };
        for server in self.servers.iter().filter(|server| !stays(server)) {
            tell::tell_gone(&self.link, &server.member);
        }
    }

    /// The servers, in order of preference.
    #[must_use]
    pub(crate) fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// What the pool is now.
    #[must_use]
    pub(crate) fn status(&self) -> PoolStatus {
        self.engine().status(self.clock.now())
    }

    /// The server that gets the next attempt; `None` when all who may be chosen were `tried`.
    #[must_use]
    pub(crate) fn choose(self: &Arc<Self>, tried: &[MemberId], choice: Choice) -> Option<Attempt> {
        if tried.is_empty() && self.is_steady.load(Ordering::Relaxed) {
            return self.preferred().map(|server| self.attempt(server, None));
        }
        let now = self.clock.now();
        let mut engine = self.engine();
        let excluded = excluded(&engine, tried, choice);
        let id = engine.pick(&excluded, rand::random(), now)?;
        let commands = engine.handle(Event::Started { member: id.clone() }, now);
        drop(engine);
        self.tell(&commands);
        let server = self.servers.iter().find(|server| server.member == id)?;
        Some(self.attempt(server, Some(now)))
    }

    /// Whether a server that was not `tried` is well.
    #[must_use]
    pub(crate) fn is_other_well(&self, tried: &[MemberId]) -> bool {
        if self.is_steady.load(Ordering::Relaxed) {
            return self.servers.len() > tried.len();
        }
        let engine = self.engine();
        engine.members().any(|member| !tried.contains(&member.id) && is_up(&engine, &member.id))
    }

    /// The server for a request while all are well.
    fn preferred(&self) -> Option<&Arc<Server>> {
        match self.mode {
            Mode::Failover => self.servers.first(),
            Mode::Balance => {
                let one = || {
                    let index = rand::random_range(0..self.servers.len().max(1));
                    self.servers.get(index)
                };
                let (first, second) = (one()?, one()?);
                let load = |server: &Server| server.in_hand.load(Ordering::Relaxed);
                Some(if load(second) < load(first) { second } else { first })
            }
        }
    }

    fn attempt(self: &Arc<Self>, server: &Arc<Server>, started: Option<Timestamp>) -> Attempt {
        server.in_hand.fetch_add(1, Ordering::Relaxed);
        let (upstreams, server) = (Arc::clone(self), Arc::clone(server));
        Attempt { upstreams, server, began: Instant::now(), started, is_watched: false, is_told: false }
    }

    /// Time passed: a hold-down may be over. To be called every second.
    pub(crate) fn tick(&self) {
        self.latency.roll();
        if !self.is_steady.load(Ordering::Relaxed) {
            self.handle(Event::Tick);
        }
    }

    /// Whether a server is anything but well.
    fn is_doubted(&self, member: &MemberId) -> bool {
        !self.is_steady.load(Ordering::Relaxed) && !is_up(&self.engine(), member)
    }

    fn handle(&self, event: Event) {
        let now = self.clock.now();
        let mut engine = self.engine();
        let commands = engine.handle(event, now);
        let is_well = engine
            .status(now)
            .candidates
            .iter()
            .all(|candidate| candidate.state == State::Up && candidate.held_until.is_none());
        self.is_steady.store(is_well, Ordering::Relaxed);
        drop(engine);
        self.tell(&commands);
    }

    fn tell(&self, commands: &[Command]) {
        for command in commands {
            tell::tell(&self.link, command);
        }
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who must not be chosen.
fn excluded(engine: &Engine, tried: &[MemberId], choice: Choice) -> Vec<MemberId> {
    let with = |is_excluded: &dyn Fn(&MemberId) -> bool| {
        let others = engine.members().map(|member| &member.id).filter(|id| is_excluded(id)).cloned();
        tried.iter().cloned().chain(others).collect()
    };
    let is_any_up = || {
        let mut untried = engine.members().filter(|member| !tried.contains(&member.id));
        untried.any(|member| is_up(engine, &member.id))
    };
    match choice {
        Choice::NoTrials if is_any_up() => with(&|id| engine.state(id) == Some(State::Suspect)),
        Choice::Any | Choice::NoTrials => tried.to_vec(),
        Choice::Well => with(&|id| !is_up(engine, id)),
    }
}

fn is_up(engine: &Engine, id: &MemberId) -> bool {
    engine.state(id) == Some(State::Up)
}

impl Attempt {
    /// Where the request goes.
    #[must_use]
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// It takes long: from here on it is watched.
    #[must_use]
    pub(crate) fn watched(mut self, watches: &mut Vec<Watch>) -> Self {
        let started = self.known();
        self.server.waiting.fetch_add(1, Ordering::Relaxed);
        self.is_watched = true;
        let server = Arc::clone(&self.server);
        watches.push(Watch { server, began: self.began, started, is_overdue: false });
        self
    }

    /// The server answered.
    pub(crate) fn answered(mut self) {
        self.is_told = true;
        let (now, member) = (Instant::now(), &self.server.member);
        let took = now.saturating_duration_since(self.began);
        let is_late = self.is_watched && self.upstreams.is_doubted(member);
        self.server.note_answer(now);
        self.upstreams.latency.note(took);
        if let Some(started) = self.started {
            let member = member.clone();
            self.upstreams.handle(if is_late {
                Event::AnsweredLate { member, started }
            } else {
                Event::Answered { member, started }
            });
        }
    }

    /// The server did not answer.
    pub(crate) fn failed(mut self, failure: Failure) {
        self.is_told = true;
        let (member, started) = (self.server.member.clone(), self.known());
        self.upstreams.handle(Event::Failed { member, started, failure });
    }

    /// When it began, as the engine knows it.
    fn known(&mut self) -> Timestamp {
        if let Some(started) = self.started {
            return started;
        }
        self.upstreams.handle(Event::Started { member: self.server.member.clone() });
        let began = self.upstreams.clock.now().minus(self.began.elapsed());
        *self.started.insert(began)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.server.in_hand.fetch_sub(1, Ordering::Relaxed);
        if self.is_watched {
            self.server.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if !self.is_told && self.started.is_some() {
            self.upstreams.handle(Event::Abandoned { member: self.server.member.clone() });
        }
    }
}

impl Watch {
    /// Who has the request.
    #[must_use]
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// How long it has waited.
    #[must_use]
    pub(crate) fn waited(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether the server is doubted, by others or from now on: it has answered nothing at all
    /// meanwhile, and the request has waited for long (`is_long`), or for longer than is usual along
    /// with several others.
    #[must_use]
    pub(crate) fn is_doubted(&mut self, upstreams: &Upstreams, is_long: bool) -> bool {
        let is_silent = self.server.is_silent_since(self.began);
        let are_many = || self.server.waiting.load(Ordering::Relaxed) >= SEVERAL;
        let is_unusual = || self.waited() >= upstreams.latency.usual() && are_many();
        if !self.is_overdue && is_silent && (is_long || is_unusual()) {
            self.is_overdue = true;
            let (member, started) = (self.server.member.clone(), self.started);
            upstreams.handle(Event::Overdue { member, started });
        }
        is_silent && self.is_overdue || upstreams.is_doubted(&self.server.member)
    }
}

#[cfg(test)]
mod tests {
    use evergate_process::clock::ManualClock;

    use super::*;

    fn upstreams(mode: Mode) -> (ManualClock, Arc<Upstreams>) {
        let hands = ManualClock::new(Timestamp::from_seconds(1000));
        let urls = ["http://a:1".to_owned(), "http://b:1".to_owned()];
        let upstreams = Upstreams::new("wiki", &urls, mode, None, &hands.clock()).unwrap();
        (hands, Arc::new(upstreams))
    }

    fn chosen(upstreams: &Arc<Upstreams>, tried: &[MemberId]) -> String {
        let attempt = upstreams.choose(tried, Choice::Any).unwrap();
        let name = attempt.server().member.to_string();
        attempt.answered();
        name
    }

    #[test]
    fn a_refused_request_goes_to_the_next_server_and_returns_when_the_first_is_steady() {
        let (hands, upstreams) = upstreams(Mode::Failover);
        assert_eq!(chosen(&upstreams, &[]), "http://a:1");
        upstreams.choose(&[], Choice::Any).unwrap().failed(Failure::Refused);
        let tried = [MemberId::from("http://a:1")];
        assert_eq!(chosen(&upstreams, &tried), "http://b:1");
        assert_eq!(chosen(&upstreams, &[]), "http://b:1");
        assert!(upstreams.choose(&["http://a:1".into(), "http://b:1".into()], Choice::Any).is_none());
        // The wait is over: one request tries it, and finds it well.
        hands.advance(Duration::from_secs(60));
        upstreams.tick();
        assert_eq!(chosen(&upstreams, &[]), "http://a:1");
        assert!(upstreams.is_steady.load(Ordering::Relaxed));
        assert_eq!(upstreams.status().failovers, 2);
    }

    #[test]
    fn balanced_servers_share_the_requests() {
        let (_, upstreams) = upstreams(Mode::Balance);
        let held = upstreams.choose(&[], Choice::Any).unwrap();
        let names: Vec<_> = (0..100).map(|_| chosen(&upstreams, &[])).collect();
        assert!(names.iter().filter(|name| **name != held.server().member.to_string()).count() > 25);
    }
}
