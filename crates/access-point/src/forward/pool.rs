//! A thread's own idle connections to application servers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use crate::body::Outgoing;
use crate::settings::Settings;

/// One connection to a server.
pub(crate) type Sender = SendRequest<Outgoing>;

/// Numbers a server within this process.
pub(crate) type ServerNumber = u64;

/// A connection that has just ended an answer is ready again in the same moment; one that is not
/// by then is given up.
const READY_LIMIT: Duration = Duration::from_millis(20);

/// The idle connections of one thread.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: Mutex<BTreeMap<ServerNumber, Vec<Idle>>>,
    keep_for: Duration,
    keep_count: usize,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

/// A connection in use. Dropped, it is closed; given back, it is used again.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    server: ServerNumber,
    sender: Sender,
}

impl Lease {
    /// A connection to that server, to be given back to `pool`.
    #[must_use]
    pub(crate) const fn new(pool: Arc<Pool>, server: ServerNumber, sender: Sender) -> Self {
        Self { pool, server, sender }
    }

    /// Lets others use the connection.
    pub(crate) fn give_back(self) {
        let Self { pool, server, sender } = self;
        pool.put(server, sender);
    }
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub(crate) const fn new(settings: &Settings) -> Self {
        Self {
            idle: Mutex::new(BTreeMap::new()),
            keep_for: settings.upstream_idle,
            keep_count: settings.upstream_idle_count,
        }
    }

    /// An open connection to `server` that has been idle for at most `fresh`, if there is one: the
    /// one used last.
    pub(crate) async fn take(&self, server: ServerNumber, fresh: Duration) -> Option<Sender> {
        loop {
            let mut sender = self.pop(server, fresh)?;
            if sender.is_ready() {
                return Some(sender);
            }
            if sender.is_closed() {
                continue;
            }
            if let Ok(Ok(())) = tokio::time::timeout(READY_LIMIT, sender.ready()).await {
                return Some(sender);
            }
        }
    }

    fn pop(&self, server: ServerNumber, fresh: Duration) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.get_mut(&server)?;
        let last = idle.pop_if(|last| last.since.elapsed() <= fresh)?;
        Some(last.sender)
    }

    fn put(&self, server: ServerNumber, sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.entry(server).or_default();
        if idle.len() < self.keep_count {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }

    /// Closes what has been idle for too long, or is closed.
    pub(crate) fn tidy(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, idle| {
            idle.retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() <= self.keep_for);
            !idle.is_empty()
        });
    }
}
