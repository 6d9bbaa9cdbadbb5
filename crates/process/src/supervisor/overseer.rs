//! The shell of the supervisor's rules: asks the children whether they live, looks at those that are
//! silent, does the faults that drills ask for, and tells everybody at the control socket.
//!
//! What is to be done is decided in `watch.rs` and `strikes.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use nix::sys::signal::Signal;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::beat::Beat;
use super::child::Order;
use super::control::server::Heard;
use super::control::{Answer, Event, Fault, Message, Request, What};
use super::strikes::{self, Healing, LONGEST, Strikes};
use super::watch::{self as rules, ROUND, Watch, Watched};
use super::{ChildSpec, Children, lock_holder, proc};

/// A keeper that does not answer for so long is ending its child.
const KEEPER_LIMIT: Duration = Duration::from_secs(1);

/// How a child's keeper is reached, and what is known of the child.
#[derive(Debug, Clone)]
pub(super) struct Post {
    orders: mpsc::Sender<Order>,
    watched: Option<Watched>,
    may_be_absent: bool,
}

impl Post {
    pub(super) fn new(spec: &ChildSpec, orders: mpsc::Sender<Order>) -> Self {
        Self { orders, watched: spec.watched.clone(), may_be_absent: spec.may_be_absent }
    }
}

/// Watches children and does faults.
pub(super) struct Overseer {
    posts: BTreeMap<String, Post>,
    states: watch::Receiver<Children>,
    requests: mpsc::Receiver<Heard>,
    index: Option<PathBuf>,
    began: Instant,
    watch: Watch,
    strikes: Strikes,
    /// The processes that the rules know of.
    processes: BTreeMap<String, u32>,
    asked: FuturesUnordered<BoxFuture<'static, Option<Beat>>>,
    streams: BTreeMap<(String, u32), TcpStream>,
    listeners: BTreeMap<u64, mpsc::Sender<Message>>,
}

impl Overseer {
    pub(super) fn new(
        posts: BTreeMap<String, Post>,
        states: watch::Receiver<Children>,
        requests: mpsc::Receiver<Heard>,
        database: Option<&Path>,
    ) -> Self {
        Self {
            posts,
            states,
            requests,
            index: database.map(lock_holder::index_of),
            began: Instant::now(),
            watch: Watch::default(),
            strikes: Strikes::default(),
            processes: BTreeMap::new(),
            asked: FuturesUnordered::new(),
            streams: BTreeMap::new(),
            listeners: BTreeMap::new(),
        }
    }

    pub(super) async fn run(mut self) {
        self.follow();
        let mut round = Instant::now() + ROUND;
        loop {
            tokio::select! {
                // Answers before the round that would judge their absence.
                biased;
                changed = self.states.changed() => match changed {
                    Ok(()) => self.follow(),
                    Err(_) => return,
                },
                Some(beat) = self.asked.next() => self.answered(beat),
                Some(heard) = self.requests.recv() => self.hear(heard).await,
                () = tokio::time::sleep_until(round) => {
                    self.round();
                    round = Instant::now() + ROUND;
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn round(&mut self) {
        let healed = self.strikes.handle(&strikes::Event::Time, self.now());
        self.heal(healed);
        self.tell_rules(rules::Event::Round);
    }

    /// Takes in which processes run.
    fn follow(&mut self) {
        let children = self.states.borrow_and_update().clone();
        let ended: Vec<(String, u32)> = self
            .processes
            .iter()
            .filter(|(child, pid)| children.get(*child).and_then(|state| state.pid) != Some(**pid))
            .map(|(child, pid)| (child.clone(), *pid))
            .collect();
        for (child, pid) in ended {
            let how = children.get(&child).and_then(|state| state.last_end.clone()).unwrap_or_default();
            self.ended(child, pid, how);
        }
        for (child, state) in children {
            if let Some(pid) = state.pid.filter(|_| !self.processes.contains_key(&child)) {
                self.started(child, pid);
            }
        }
    }

    fn ended(&mut self, child: String, pid: u32, how: String) {
        self.processes.remove(&child);
        self.streams.remove(&(child.clone(), pid));
        self.strikes.handle(&strikes::Event::Ended { child: &child, pid }, self.now());
        self.tell_rules(rules::Event::Ended { child: &child });
        self.tell_all(Event { child, pid, what: What::Ended { how } });
    }

    fn started(&mut self, child: String, pid: u32) {
        self.processes.insert(child.clone(), pid);
        let watched = self.posts.get(&child).and_then(|post| post.watched.as_ref());
        if let Some(silence) = watched.map(|watched| watched.silence) {
            self.tell_rules(rules::Event::Started { child: &child, pid, silence });
        }
        self.tell_all(Event { child, pid, what: What::Started });
    }

    fn answered(&mut self, beat: Option<Beat>) {
        let Some(Beat { child, pid, stream, is_live, .. }) = beat else { return };
        if self.processes.get(&child) != Some(&pid) {
            return;
        }
        self.tell_rules(rules::Event::Answered { child: &child, pid, is_live });
        if let Some(stream) = stream {
            self.streams.insert((child, pid), stream);
        }
    }

    fn tell_rules(&mut self, event: rules::Event<'_>) {
        let commands = self.watch.handle(event, self.now());
        for command in commands {
            self.obey(command);
        }
    }

    fn obey(&mut self, command: rules::Command) {
        match command {
            rules::Command::Ask { child, pid } => self.ask(child, pid),
            rules::Command::Look { child, pid } => {
                if let Some(posture) = proc::posture(pid) {
                    let holder = self.index.as_deref().and_then(lock_holder::holder);
                    let holds_lock = holder == Some(pid);
                    self.tell_rules(rules::Event::Seen { child: &child, posture, holds_lock });
                }
            }
            rules::Command::Kill { child, pid, why } => {
                self.order(&child, Order::Kill { pid, why: why.clone() });
                self.tell_all(Event { child, pid, what: What::Killed { why } });
            }
        }
    }

    fn ask(&mut self, child: String, pid: u32) {
        let watched = self.posts.get(&child).and_then(|post| post.watched.as_ref());
        let Some(address) = watched.map(|watched| watched.address.clone()) else { return };
        let stream = self.streams.remove(&(child.clone(), pid));
        self.asked.push(Box::pin(Beat { child, pid, address, stream, is_live: false }.ask()));
    }

    /// A keeper that has so many orders unread is ending its child.
    fn order(&self, child: &str, order: Order) {
        if let Some(post) = self.posts.get(child) {
            let _ = post.orders.try_send(order);
        }
    }

    async fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Opened { connection, to } => drop(self.listeners.insert(connection, to)),
            Heard::Closed { connection } => {
                self.listeners.remove(&connection);
                let healed = self.strikes.handle(&strikes::Event::Closed { drill: connection }, self.now());
                self.heal(healed);
            }
            Heard::Asked { connection, request } => {
                let answer = match self.comply(connection, request).await {
                    Ok(answer) => answer,
                    Err(why) => Answer::Refused { why },
                };
                self.tell(connection, Message::Answer(answer));
            }
        }
    }

    async fn comply(&mut self, connection: u64, request: Request) -> Result<Answer, String> {
        match request {
            Request::Strike { child, fault, seconds } => {
                let lasts = lasts(seconds)?;
                let pid = self.strike(&child, fault).await?;
                tracing::warn!(child, pid, ?fault, "struck for a drill");
                if fault == Fault::Hang {
                    let stopped = strikes::Event::Stopped { drill: connection, child: &child, pid, lasts };
                    self.strikes.handle(&stopped, self.now());
                }
                Ok(Answer::Struck { child, pid })
            }
            Request::Heal { child } => {
                self.post(&child)?;
                let healed = self.strikes.handle(&strikes::Event::Heal { child: &child }, self.now());
                self.heal(healed);
                Ok(Answer::Healed { child })
            }
            Request::End { child } => {
                if !self.post(&child)?.may_be_absent {
                    return Err(format!("`{child}` is needed"));
                }
                self.order(&child, Order::End);
                Ok(Answer::Ended { child })
            }
        }
    }

    fn post(&self, child: &str) -> Result<&Post, String> {
        self.posts.get(child).ok_or_else(|| format!("there is no child `{child}`"))
    }

    async fn strike(&mut self, child: &str, fault: Fault) -> Result<u32, String> {
        if self.strikes.has_stopped(child) {
            return Err(format!("`{child}` is stopped already"));
        }
        let signal = match fault {
            Fault::Crash => Signal::SIGKILL,
            Fault::Hang => Signal::SIGSTOP,
        };
        let ending = || format!("`{child}` is ending");
        let (done, mut struck) = oneshot::channel();
        self.post(child)?.orders.try_send(Order::Strike { signal, done }).map_err(|_| ending())?;
        let answer = tokio::time::timeout(KEEPER_LIMIT, &mut struck).await;
        // From here on the keeper knows that nobody waits; what it answered before that counts.
        struck.close();
        let answer = answer.ok().and_then(Result::ok).or_else(|| struck.try_recv().ok());
        answer.ok_or_else(ending)?.map_err(|why| format!("`{child}` is not struck: {why}"))
    }

    fn heal(&mut self, healed: Vec<Healing>) {
        for Healing { child, pid, why } in healed {
            tracing::warn!(child, pid, why, "healed after a drill");
            self.order(&child, Order::Continue { pid });
            self.tell_rules(rules::Event::Continued { child: &child });
            self.tell_all(Event { child, pid, what: What::Healed { why: why.to_owned() } });
        }
    }

    fn tell_all(&mut self, event: Event) {
        let message = Message::Event(event);
        self.listeners.retain(|_, to| to.try_send(message.clone()).is_ok());
    }

    /// Whoever does not read what it is told is told nothing more.
    fn tell(&mut self, connection: u64, message: Message) {
        if self.listeners.get(&connection).is_some_and(|to| to.try_send(message).is_err()) {
            self.listeners.remove(&connection);
        }
    }
}

fn lasts(seconds: Option<u64>) -> Result<Option<Duration>, String> {
    match seconds {
        None => Ok(None),
        Some(seconds) if (1..=LONGEST.as_secs()).contains(&seconds) => Ok(Some(Duration::from_secs(seconds))),
        Some(seconds) => Err(format!("a fault lasts 1 to {} s, not `{seconds}`", LONGEST.as_secs())),
    }
}
