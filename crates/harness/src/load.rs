//! Requests at a steady rate, whether or not earlier ones were answered (an open loop), each sent once and never again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::sync::{RwLock, RwLockWriteGuard};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsConnector;

use crate::client::{Answer, Way, connect, to_origin_form};
use crate::trust::{Protocol, connector};

/// A request without an answer for so long is lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection that was idle for so long is not used again, as in the pools of common clients: a server that closes it
/// at that moment would lose the request.
const IDLE: Duration = Duration::from_secs(90);

/// On which connections requests go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// On idle ones that were used before, as long as there are any.
    Kept,
    /// Each on a new one.
    New,
    /// By turns.
    Both,
}

/// Makes the request of that number, with its whole address.
pub type Make = dyn Fn(u64) -> Request<Bytes> + Send + Sync;
/// Says what is wrong with an answer, if anything is.
pub type Judge = dyn Fn(&Answer) -> Option<String> + Send + Sync;

/// What is sent, and how.
#[derive(Clone)]
pub struct Plan {
    /// Requests a second.
    pub rate: u32,
    /// On which connections.
    pub connections: Connections,
    /// The requests.
    pub make: Arc<Make>,
    /// What counts as lost.
    pub judge: Arc<Judge>,
}

/// A load that runs until it is stopped.
pub struct Load {
    shared: Arc<Shared>,
    started: Instant,
    pacing: JoinHandle<Result<u64>>,
}

struct Shared {
    plan: Plan,
    way: Way,
    connector: TlsConnector,
    idle: Mutex<Vec<Idle>>,
    record: Mutex<Record>,
    gate: RwLock<()>,
    is_over: AtomicBool,
}

/// A connection that waits for its next request.
struct Idle {
    sender: SendRequest<Full<Bytes>>,
    since: Instant,
}

#[derive(Default)]
struct Record {
    answered: Vec<Answered>,
    lost: BTreeMap<String, u64>,
    at: Vec<Duration>,
}

/// A request that was answered well.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// When it was sent, counted from the first request.
    pub at: Duration,
    /// How long the answer took.
    pub took: Duration,
}

/// What became of the requests.
#[derive(Debug, Clone)]
pub struct Report {
    /// Those answered well, by how long it took.
    pub answered: Vec<Answered>,
    /// All that were sent.
    pub sent: u64,
    /// Those that were not answered well.
    pub lost: u64,
    /// Why, and how often.
    pub reasons: BTreeMap<String, u64>,
    /// When, counted from the first request; the first few.
    pub at: Vec<Duration>,
    /// Half were answered within this.
    pub median: Duration,
    /// 99 of 100 were answered within this.
    pub nearly_all: Duration,
    /// The slowest answer.
    pub slowest: Duration,
}

impl Load {
    /// Starts sending.
    ///
    /// # Errors
    /// When the CA cannot be read.
    pub fn start(local_ca: &Path, plan: Plan) -> Result<Self> {
        Self::start_by(Way::default(), local_ca, plan)
    }

    /// The same on connections of that way.
    ///
    /// # Errors
    /// When the CA cannot be read.
    pub fn start_by(way: Way, local_ca: &Path, plan: Plan) -> Result<Self> {
        let shared = Arc::new(Shared {
            plan,
            way,
            connector: connector(local_ca, Protocol::Http1)?,
            idle: Mutex::default(),
            record: Mutex::default(),
            gate: RwLock::default(),
            is_over: AtomicBool::new(false),
        });
        let started = Instant::now();
        let pacing = tokio::spawn(pace(Arc::clone(&shared), started));
        Ok(Self { shared, started, pacing })
    }

    /// How many were answered or lost so far.
    ///
    /// # Panics
    /// When a task of the load panicked.
    #[must_use]
    pub fn done(&self) -> u64 {
        let record = self.shared.record.lock().expect("no task panics");
        record.answered.len() as u64 + record.lost.values().sum::<u64>()
    }

    /// How long it has been going on.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Holds new requests back, waits until none is under way, does `what`, lets them go on.
    pub async fn between_requests<T>(&self, what: impl Future<Output = T>) -> T {
        let _gate = self.hold().await;
        what.await
    }

    /// Holds new requests back, and waits until none is under way; they go on when the result is dropped.
    pub async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.shared.gate.write().await
    }

    /// Sends nothing more, waits for the last answers, and counts.
    ///
    /// # Errors
    /// When a task of the load panicked: what came of its request is not known.
    pub async fn stop(self) -> Result<Report> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let sent = self.pacing.await.context("the load panicked")??;
        let record = std::mem::take(&mut *self.shared.record.lock().expect("no task panics"));
        let report = Report::of(record.answered, record.lost, record.at);
        ensure!(report.sent == sent, "{sent} were sent, and the end of {} is known", report.sent);
        Ok(report)
    }
}

/// Sends until it is over; how many.
async fn pace(shared: Arc<Shared>, started: Instant) -> Result<u64> {
    let mut ticks = interval(Duration::from_secs(1) / shared.plan.rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    let mut number = 0;
    while !shared.is_over.load(Ordering::Relaxed) {
        ticks.tick().await;
        requests.spawn(one(Arc::clone(&shared), number, started));
        number += 1;
        while let Some(ended) = requests.try_join_next() {
            ended.context("a request's task panicked")?;
        }
    }
    while let Some(ended) = requests.join_next().await {
        ended.context("a request's task panicked")?;
    }
    Ok(number)
}

/// One request, from its turn to its place in the record.
async fn one(shared: Arc<Shared>, number: u64, started: Instant) {
    let _gate = shared.gate.read().await;
    let sent = Instant::now();
    let outcome = match timeout(PATIENCE, exchange(&shared, number)).await {
        Ok(Ok(answer)) => (shared.plan.judge)(&answer),
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(_) => Some(format!("no answer within {PATIENCE:?}")),
    };
    let mut record = shared.record.lock().expect("no task panics");
    match outcome {
        None => record.answered.push(Answered { at: sent - started, took: sent.elapsed() }),
        Some(reason) => {
            *record.lost.entry(reason).or_default() += 1;
            if record.at.len() < 20 {
                record.at.push(sent - started);
            }
        }
    }
}

async fn exchange(shared: &Shared, number: u64) -> Result<Answer> {
    let mut request = (shared.plan.make)(number).map(Full::new);
    let url = request.uri().clone();
    let is_kept = match shared.plan.connections {
        Connections::Kept => true,
        Connections::New => false,
        Connections::Both => number.is_multiple_of(2),
    };
    to_origin_form(&mut request)?;
    let (sender, response) = loop {
        let idle = if is_kept { shared.idle_connection() } else { None };
        let is_new = idle.is_none();
        let mut sender = match idle {
            Some(sender) => sender,
            None => {
                let stream = connect(&shared.connector, &url, shared.way).await?;
                let (sender, connection) =
                    handshake(TokioIo::new(stream)).await.context("no HTTP connection")?;
                tokio::spawn(connection);
                sender
            }
        };
        // A server may close a kept connection at any time (RFC 9112, section 9.5). What was never sent on it goes by
        // another; what was sent, if only in part, is never repeated.
        match sender.ready().await {
            Err(error) if is_new => return Err(error).context("the connection closed before the request"),
            Err(_) => continue,
            Ok(()) => {}
        }
        match sender.try_send_request(request).await {
            Ok(response) => break (sender, response),
            Err(mut error) => match error.take_message() {
                Some(unsent) if !is_new => request = unsent,
                _ => return Err(error.into_error()).context("no answer"),
            },
        }
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.context("half an answer")?.to_bytes();
    if is_kept {
        shared.idle.lock().expect("no task panics").push(Idle { sender, since: Instant::now() });
    }
    Ok(Answer { url, status: parts.status, headers: parts.headers, body })
}

impl Shared {
    /// A connection used before that is still open, and was not idle for too long.
    fn idle_connection(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().expect("no task panics");
        idle.retain(|kept| !kept.sender.is_closed() && kept.since.elapsed() < IDLE);
        idle.pop().map(|kept| kept.sender)
    }
}

impl Report {
    fn of(mut answered: Vec<Answered>, reasons: BTreeMap<String, u64>, at: Vec<Duration>) -> Self {
        answered.sort_by_key(|answer| answer.took);
        let within = |share: f64| {
            answered
                .get((answered.len() as f64 * share) as usize)
                .map_or(Duration::ZERO, |answer| answer.took)
        };
        let lost = reasons.values().sum();
        Self {
            sent: answered.len() as u64 + lost,
            lost,
            reasons,
            at,
            median: within(0.5),
            nearly_all: within(0.99),
            slowest: answered.last().map_or(Duration::ZERO, |answer| answer.took),
            answered,
        }
    }

    /// The same of those requests alone that were answered well and sent from then to then.
    #[must_use]
    pub fn between(&self, from: Duration, to: Duration) -> Self {
        let is_in = |answer: &&Answered| (from..to).contains(&answer.at);
        Self::of(self.answered.iter().filter(is_in).copied().collect(), BTreeMap::new(), Vec::new())
    }

    /// Fails where anything was lost.
    ///
    /// # Errors
    /// With the reasons.
    pub fn nothing_lost(&self) -> Result<()> {
        anyhow::ensure!(
            self.lost == 0,
            "{} of {} lost at {:?}: {:#?}",
            self.lost,
            self.sent,
            self.at,
            self.reasons
        );
        anyhow::ensure!(self.sent > 0, "nothing was sent");
        Ok(())
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sent, lost, median, nearly_all, slowest, .. } = self;
        write!(
            f,
            "{sent} sent, {lost} lost; median {median:.1?}, 99 % {nearly_all:.1?}, slowest {slowest:.1?}"
        )
    }
}
