//! Asks all servers again and again, and moves the pools to the one that takes writes.

use std::sync::Arc;
use std::time::Duration;

use evergate_model::DatabaseTimeline;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::address::Server;
use super::choice::{Standing, choose};
use super::link::LeftOpen;
use super::probe::{Answer, Kind, Probe};
use super::trouble::{Problem, Trouble};
use crate::timeline::Memory;

/// How often servers are asked while one is in use. A promotion is noticed that soon.
const PERIOD: Duration = Duration::from_millis(250);
/// How often while none is.
const SEARCH: Duration = Duration::from_millis(50);
/// Listeners for changes: one each for what follows the database in a process.
const LISTENERS: u32 = 8;

/// How the servers stand.
#[derive(Clone, Default)]
pub(super) struct State {
    /// The one in use. It stays when it does not answer, until another takes writes.
    pub(super) found: Option<Found>,
    /// What is wrong with those that cannot be used.
    pub(super) troubles: Arc<[Trouble]>,
    /// Counts the looks.
    looks: u64,
}

/// The server in use, and its connections.
#[derive(Clone)]
pub(super) struct Found {
    index: usize,
    /// No two are alike, also of one server.
    pub(super) serial: u64,
    pub(super) server: String,
    pub(super) readers: PgPool,
    pub(super) writer: PgPool,
    pub(super) listeners: PgPool,
    pub(super) left_open: LeftOpen,
}

impl Found {
    fn new(index: usize, serial: u64, server: &Server, readers: u32) -> Self {
        let pool = |most: u32| {
            PgPoolOptions::new()
                .min_connections(0)
                .max_connections(most)
                .test_before_acquire(false)
                // Whoever waits has a limit of its own.
                .acquire_timeout(Duration::from_secs(60))
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let connect = |pool: PgPoolOptions| pool.connect_lazy_with(server.options.clone());
        let left_open = LeftOpen::default();
        let undoing = left_open.clone();
        let writer = pool(1).after_release(move |connection, _| {
            let left_open = undoing.clone();
            Box::pin(async move { left_open.undo(connection).await })
        });
        Self {
            index,
            serial,
            server: server.name.clone(),
            readers: connect(pool(readers)),
            writer: connect(writer),
            listeners: connect(pool(LISTENERS)),
            left_open,
        }
    }

    pub(super) async fn close(&self) {
        tokio::join!(self.readers.close(), self.writer.close(), self.listeners.close());
    }
}

/// The task that looks.
pub(super) struct Watch {
    servers: Vec<Server>,
    probes: Vec<Probe>,
    readers: u32,
    memory: Memory,
    trouble: Arc<Notify>,
    state: watch::Sender<State>,
    left: JoinSet<()>,
}

impl Watch {
    pub(super) fn new(servers: Vec<Server>, readers: u32, memory: Memory, trouble: Arc<Notify>) -> Self {
        let probes = servers.iter().cloned().map(Probe::new).collect();
        let state = watch::Sender::new(State::default());
        Self { servers, probes, readers, memory, trouble, state, left: JoinSet::new() }
    }

    /// Looks once; how things stand from now on.
    pub(super) async fn look(&mut self) -> watch::Receiver<State> {
        let receiver = self.state.subscribe();
        let answers = self.ask().await;
        self.act_on(&answers);
        receiver
    }

    /// Looks forever: now and then, and whenever somebody has trouble.
    pub(super) async fn run(mut self) {
        loop {
            let is_well = self.state.borrow().troubles.len() < self.servers.len();
            let pause = if is_well { PERIOD } else { SEARCH };
            // Elapsed or called: either way it is time to look.
            let called = async {
                tokio::select! {
                    () = self.trouble.notified() => {}
                    () = self.memory.raised() => {}
                }
            };
            if timeout(pause, called).await.is_ok() {
                tokio::time::sleep(SEARCH.min(pause)).await;
            }
            while self.left.try_join_next().is_some() {}
            self.look().await;
        }
    }

    /// All servers at once.
    async fn ask(&mut self) -> Vec<Answer> {
        let mut asked = JoinSet::new();
        for (index, probe) in self.probes.drain(..).enumerate() {
            asked.spawn(async move { (index, probe.ask().await) });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(index, _)| *index);
        let (probes, answers) = answers.into_iter().map(|(_, answer)| answer).unzip();
        self.probes = probes;
        answers
    }

    fn act_on(&mut self, answers: &[Answer]) {
        let standings: Vec<Option<Standing>> = answers.iter().map(standing).collect();
        let present = self.state.borrow().found.clone();
        let in_use = present.as_ref().map(|found| found.index);
        let used = self.memory.remembered().map(|seen| seen.system_identifier);
        let chosen = choose(&standings, |system| self.memory.highest(system), used, in_use);
        if let Some(standing) = chosen.and_then(|index| standings.get(index).copied().flatten()) {
            // On disk before anything is written there, unless the disk is at fault: then only this process knows it.
            let (system_identifier, timeline) = (standing.system, standing.timeline);
            self.memory.note(DatabaseTimeline { system_identifier, timeline });
        }
        let found = match chosen {
            Some(index) if Some(index) == in_use => present,
            Some(index) => self.move_to(index, present),
            None => present.filter(|found| may_come_back(answers.get(found.index))),
        };
        let troubles = self.troubles(answers);
        self.state.send_modify(|state| {
            *state = State { found, troubles, looks: state.looks.wrapping_add(1) };
        });
    }

    fn move_to(&mut self, index: usize, from: Option<Found>) -> Option<Found> {
        let server = self.servers.get(index)?;
        let timeline = self.memory.remembered().map(|seen| seen.timeline);
        tracing::info!(server = server.name, timeline, "the database takes writes here");
        if let Some(from) = from {
            self.left.spawn(async move { from.close().await });
        }
        let serial = self.state.borrow().looks.wrapping_add(1);
        Some(Found::new(index, serial, server, self.readers))
    }

    fn troubles(&self, answers: &[Answer]) -> Arc<[Trouble]> {
        self.servers
            .iter()
            .zip(answers)
            .filter_map(|(server, answer)| {
                let problem = match answer {
                    Answer::No(problem) => problem.clone(),
                    Answer::Is(_, Kind::Standby) => Problem::Standby,
                    Answer::Is(_, Kind::ReadOnly) => Problem::ReadOnly,
                    Answer::Is(standing, Kind::Writable) => {
                        let seen = self.memory.highest(standing.system);
                        if standing.timeline >= seen {
                            return None;
                        }
                        Problem::Replaced { timeline: standing.timeline, seen }
                    }
                };
                Some(Trouble { server: server.name.clone(), problem })
            })
            .collect()
    }
}

const fn standing(answer: &Answer) -> Option<Standing> {
    match answer {
        Answer::Is(standing, _) => Some(*standing),
        Answer::No(_) => None,
    }
}

/// Whether a server that is not chosen may be the one again without anybody's doing: it is silent or
/// away, but did not say that it takes no writes.
const fn may_come_back(answer: Option<&Answer>) -> bool {
    matches!(answer, Some(Answer::No(_)))
}
