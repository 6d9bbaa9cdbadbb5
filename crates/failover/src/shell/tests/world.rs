//! Members that do what a test says: they answer, hang, lose answers, refuse, or are busy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evergate_model::Timestamp;
use evergate_model::topology::Mode;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::engine::{Candidate, Member, State};
use crate::shell::{
    Beat, BeatError, CallError, CallOptions, Classify, Dial, DialError, Pool, PoolOptions, Reach,
};

/// What a member does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It answers calls after so long, and heartbeats at once.
    Answers(Duration),
    /// It answers everything, heartbeats too, after so long.
    Slow(Duration),
    /// Its process stands still: connections are made, and nothing is answered.
    Hangs,
    /// It answers heartbeats, and no call.
    OnlyBeats,
    /// It does what it is asked, and its answers are lost.
    AnswersLost,
    /// Nothing reaches it, not even a connection.
    CutOff,
    /// Nobody listens.
    Gone,
    /// It is too busy for calls.
    Busy,
    /// It breaks off every call, and its connections stand.
    BreaksOff,
    /// It takes no new calls on the connections that it has.
    SaysGoodbye,
}

struct Host {
    way: watch::Sender<Way>,
    asked: AtomicU64,
    /// Connections made before this number lead nowhere.
    good_from: AtomicU64,
}

/// The members, and what was done at all of them together.
pub(super) struct World {
    hosts: BTreeMap<String, Host>,
    next_link: AtomicU64,
    effects: Mutex<BTreeSet<u64>>,
    pub(super) effects_tried: AtomicU64,
}

#[derive(Debug, Clone)]
pub(super) struct Link {
    name: String,
    number: u64,
}

#[derive(Debug)]
pub(super) struct Trouble(pub(super) Reach);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Classify for Trouble {
    fn reach(&self) -> Reach {
        self.0
    }
}

impl World {
    pub(super) fn new(names: &[&str]) -> Arc<Self> {
        let host = |name: &&str| {
            let way = watch::Sender::new(Way::Answers(Duration::ZERO));
            let host = Host { way, asked: AtomicU64::new(0), good_from: AtomicU64::new(0) };
            ((*name).to_owned(), host)
        };
        Arc::new(Self {
            hosts: names.iter().map(host).collect(),
            next_link: AtomicU64::new(0),
            effects: Mutex::default(),
            effects_tried: AtomicU64::new(0),
        })
    }

    pub(super) fn set(&self, name: &str, way: Way) {
        self.hosts[name].way.send_replace(way);
    }

    /// The network healed, but the connections of before lead nowhere.
    pub(super) fn heal_without_old_links(&self, name: &str) {
        self.hosts[name].good_from.store(self.next_link.load(Ordering::SeqCst), Ordering::SeqCst);
        self.set(name, Way::Answers(Duration::ZERO));
    }

    /// How many calls reached the member.
    pub(super) fn asked(&self, name: &str) -> u64 {
        self.hosts[name].asked.load(Ordering::SeqCst)
    }

    /// How many different effects there were.
    pub(super) fn effects(&self) -> usize {
        self.effects.lock().unwrap().len()
    }

    fn host(&self, link: &Link) -> &Host {
        &self.hosts[&link.name]
    }

    async fn leads_nowhere(&self, link: &Link) {
        if link.number < self.host(link).good_from.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    /// A call with this effect key at the other end of a link.
    pub(super) async fn serve(&self, link: Link, key: u64) -> Result<String, Trouble> {
        self.leads_nowhere(&link).await;
        let host = self.host(&link);
        host.asked.fetch_add(1, Ordering::SeqCst);
        let mut ways = host.way.subscribe();
        loop {
            let way = *ways.borrow_and_update();
            match way {
                Way::Answers(after) | Way::Slow(after) => {
                    let is_gone = ways.wait_for(|way| *way == Way::Gone);
                    if !after.is_zero() && tokio::time::timeout(after, is_gone).await.is_ok() {
                        return Err(Trouble(Reach::Lost));
                    }
                    self.take_effect(key);
                    return Ok(link.name);
                }
                Way::AnswersLost => {
                    self.take_effect(key);
                    std::future::pending::<()>().await;
                }
                Way::Gone | Way::BreaksOff => return Err(Trouble(Reach::Lost)),
                Way::SaysGoodbye => return Err(Trouble(Reach::NotReached)),
                Way::Busy => return Err(Trouble(Reach::Busy)),
                Way::Hangs | Way::OnlyBeats | Way::CutOff => drop(ways.changed().await),
            }
        }
    }

    fn take_effect(&self, key: u64) {
        self.effects_tried.fetch_add(1, Ordering::SeqCst);
        self.effects.lock().unwrap().insert(key);
    }
}

/// Dials the members of a world.
pub(super) struct Scripted(Arc<World>);

impl Dial for Scripted {
    type Link = Link;

    async fn dial(&self, member: &Member) -> Result<Link, DialError> {
        let mut ways = self.0.hosts[member.id.as_str()].way.subscribe();
        if *ways.borrow_and_update() == Way::CutOff {
            // What was sent is lost: this connection is never made.
            std::future::pending::<()>().await;
        }
        if *ways.borrow_and_update() == Way::Gone {
            return Err(DialError::Refused("nobody listens".to_owned()));
        }
        let number = self.0.next_link.fetch_add(1, Ordering::SeqCst);
        Ok(Link { name: member.id.to_string(), number })
    }

    async fn beat(&self, link: &Link) -> Result<Beat, BeatError> {
        self.0.leads_nowhere(link).await;
        let way = *self.0.host(link).way.borrow();
        match way {
            Way::Hangs | Way::CutOff | Way::AnswersLost => std::future::pending().await,
            Way::Gone => Err(BeatError::Lost("nobody listens".to_owned())),
            Way::SaysGoodbye => Ok(Beat::Draining),
            Way::Slow(after) => {
                tokio::time::sleep(after).await;
                Ok(Beat::Serving)
            }
            Way::Answers(_) | Way::OnlyBeats | Way::Busy | Way::BreaksOff => Ok(Beat::Serving),
        }
    }

    fn is_closed(&self, link: &Link) -> bool {
        *self.0.host(link).way.borrow() == Way::Gone
    }
}

/// A pool of the members of a world, with its heartbeats.
pub(super) struct Caller {
    pub(super) world: Arc<World>,
    pub(super) pool: Pool<Scripted>,
    _heartbeats: JoinSet<()>,
}

pub(super) type Answer = Result<String, CallError<Trouble>>;

impl Caller {
    pub(super) async fn new(names: &[&str]) -> Self {
        Self::with(names, PoolOptions::internal("test", Timestamp::from_seconds(1))).await
    }

    /// A caller of these members, in this order, each of which has answered a heartbeat.
    pub(super) async fn with(names: &[&str], options: PoolOptions) -> Self {
        let world = World::new(names);
        let members = names.iter().zip(1..).map(|(name, priority)| Member::new(name, name, priority));
        let pool = Pool::new(Scripted(Arc::clone(&world)), members.collect(), Mode::Failover, options);
        let mut heartbeats = JoinSet::new();
        heartbeats.spawn(pool.clone().run());
        tokio::time::sleep(Duration::from_millis(10)).await;
        Self { world, pool, _heartbeats: heartbeats }
    }

    /// A call, and how long it took.
    pub(super) fn call(&self, options: CallOptions) -> impl Future<Output = (Answer, Duration)> + use<> {
        self.call_with_key(options, 0)
    }

    /// A call with this effect key, and how long it took.
    pub(super) fn call_with_key(
        &self,
        options: CallOptions,
        key: u64,
    ) -> impl Future<Output = (Answer, Duration)> + use<> {
        let (pool, world) = (self.pool.clone(), Arc::clone(&self.world));
        async move {
            let began = Instant::now();
            let serve = |link| {
                let world = Arc::clone(&world);
                async move { world.serve(link, key).await }
            };
            (pool.call(options, serve).await, began.elapsed())
        }
    }

    /// Calls, one every 5 ms (200 a second) for so long; how long each took that began after the
    /// first `skipped`.
    pub(super) async fn load(
        &self,
        options: CallOptions,
        lasting: Duration,
        skipped: Duration,
    ) -> Vec<Duration> {
        let mut calls = JoinSet::new();
        let began = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        let mut key = 0;
        while began.elapsed() < lasting {
            ticks.tick().await;
            key += 1;
            let (call, counts) = (self.call_with_key(options, key), began.elapsed() >= skipped);
            calls.spawn(async move {
                let (answer, took) = call.await;
                answer.unwrap();
                counts.then_some(took)
            });
        }
        calls.join_all().await.into_iter().flatten().collect()
    }

    pub(super) fn candidate(&self, name: &str) -> Candidate {
        let status = self.pool.status();
        status.candidates.into_iter().find(|candidate| candidate.instance.as_str() == name).unwrap()
    }

    pub(super) fn state(&self, name: &str) -> State {
        self.candidate(name).state
    }

    pub(super) fn active(&self) -> String {
        self.pool.status().active.unwrap().to_string()
    }
}

/// The time that 99 of a hundred did not exceed.
pub(super) fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() * 99 / 100]
}
