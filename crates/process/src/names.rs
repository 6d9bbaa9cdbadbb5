//! Where names lead to, kept: a name that cannot be looked up now, or only slowly, delays nobody who
//! has found it before.
//!
//! In a swarm the names of other instances are known only while their tasks are healthy, and the server
//! that knows them may be slow or away. So whoever connects uses the addresses that were found last, and
//! looks the name up beside it; only a name that was never found is waited for.

mod race;
mod system;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::lifecycle::Lifecycle;

/// A look-up that takes longer is given up, so that another can be made. The system's resolver asks a
/// server that is silent again after as long.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(5);
/// An answer is taken for true for so long, unless connecting to what it says fails.
const FRESH: Duration = Duration::from_secs(1);
/// So many names are kept; of more the one that was not used for longest is forgotten.
const NAMES_MAX: usize = 4096;
/// So many addresses of one name are used.
const ADDRESSES_MAX: usize = 16;

/// Looks names up.
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// The addresses of a host; their port does not matter.
    fn look_up(&self, host: Arc<str>) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// Why nothing was reached.
#[derive(Debug)]
pub enum Missed<E> {
    /// The name leads nowhere.
    NoAddress(io::Error),
    /// None of its addresses would do; why the last one would not.
    Failed(E),
}

/// The names that were looked up. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Names(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    resolver: Arc<dyn Resolver>,
    lifecycle: Lifecycle,
    /// Where look-ups run, whoever wants them.
    runtime: Handle,
    kept: Mutex<BTreeMap<Arc<str>, Kept>>,
}

#[derive(Debug)]
struct Kept {
    name: Arc<Name>,
    used: Instant,
}

/// One name and what is known of it.
#[derive(Debug)]
struct Name {
    host: Arc<str>,
    known: watch::Sender<Known>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    /// Where it led when it was last found.
    addresses: Arc<[SocketAddr]>,
    /// When that was.
    found: Option<Instant>,
    /// Why it was not found since.
    failure: Option<Arc<io::Error>>,
    /// Whether it is being looked up.
    is_asked: bool,
}

impl Names {
    /// Names that the system's resolver knows. To be called where tasks can run: look-ups run there.
    #[must_use]
    pub fn system(lifecycle: &Lifecycle) -> Self {
        Self::new(lifecycle, Arc::new(system::System))
    }

    /// Names that this resolver knows.
    #[must_use]
    pub fn new(lifecycle: &Lifecycle, resolver: Arc<dyn Resolver>) -> Self {
        let kept = Mutex::new(BTreeMap::new());
        let (lifecycle, runtime) = (lifecycle.clone(), Handle::current());
        Self(Arc::new(Shared { resolver, lifecycle, runtime, kept }))
    }

    /// Looks a name up in the background, unless that is under way; for names that will be wanted.
    pub fn refresh(&self, host: &str) {
        let host = without_brackets(host);
        if host.parse::<IpAddr>().is_err() {
            self.ask(&self.name(host));
        }
    }

    /// Makes an `attempt` at the addresses of `host` until one succeeds. What was found last is used at
    /// once; another address is tried beside it when a look-up brings one, and the next when one is
    /// silent. An address instead of a name is not looked up. The caller limits the time.
    ///
    /// # Errors
    /// When the name leads nowhere, or no attempt succeeded.
    pub async fn reach<T, E, F>(
        &self,
        host: &str,
        port: u16,
        attempt: impl Fn(SocketAddr) -> F,
    ) -> Result<T, Missed<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let host = without_brackets(host);
        if let Ok(ip) = host.parse::<IpAddr>() {
            return attempt(SocketAddr::new(ip, port)).await.map_err(Missed::Failed);
        }
        race::run(self, &self.name(host), |mut address: SocketAddr| {
            address.set_port(port);
            attempt(address)
        })
        .await
    }

    /// The name, kept from now on.
    fn name(&self, host: &str) -> Arc<Name> {
        let now = Instant::now();
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get_mut(host) {
            known.used = now;
            return Arc::clone(&known.name);
        }
        if kept.len() >= NAMES_MAX {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.used).map(|(host, _)| Arc::clone(host));
            oldest.and_then(|oldest| kept.remove(&oldest));
        }
        let name = Arc::new(Name { host: host.into(), known: watch::Sender::default() });
        kept.insert(Arc::clone(&name.host), Kept { name: Arc::clone(&name), used: now });
        name
    }

    /// Has the name looked up, unless that is under way.
    fn ask(&self, name: &Arc<Name>) {
        let is_first = name.known.send_if_modified(|known| !std::mem::replace(&mut known.is_asked, true));
        if !is_first {
            return;
        }
        let mut flight = Flight { name: Arc::clone(name), outcome: None };
        let answer = self.0.resolver.look_up(Arc::clone(&name.host));
        let _entered = self.0.runtime.enter();
        // Until the end: requests that are being drained need their links.
        self.0.lifecycle.spawn_until_end("look a name up", async move {
            flight.note(timeout(LOOK_UP_LIMIT, answer).await.ok());
        });
    }
}

/// IPv6 addresses stand in brackets where a port may follow.
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl Name {
    /// Whether it was found so lately that this need not be doubted without cause.
    fn is_fresh(&self) -> bool {
        let known = self.known.borrow();
        known.failure.is_none() && known.found.is_some_and(|found| found.elapsed() < FRESH)
    }
}

/// A look-up under way; however it ends, its name can be looked up again.
struct Flight {
    name: Arc<Name>,
    outcome: Option<io::Result<Vec<SocketAddr>>>,
}

impl Flight {
    fn note(&mut self, outcome: Option<io::Result<Vec<SocketAddr>>>) {
        self.outcome = outcome;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
        self.name.known.send_modify(|known| known.learn(outcome));
    }
}

impl Known {
    /// Takes an answer; the addresses stay when it has none.
    fn learn(&mut self, outcome: io::Result<Vec<SocketAddr>>) {
        self.is_asked = false;
        match outcome {
            Ok(addresses) if !addresses.is_empty() => {
                self.addresses = addresses.into_iter().take(ADDRESSES_MAX).collect();
                self.found = Some(Instant::now());
                self.failure = None;
            }
            Ok(_) => self.failure = Some(Arc::new(io::ErrorKind::NotFound.into())),
            Err(error) => self.failure = Some(Arc::new(error)),
        }
    }

    /// Why there is no address.
    fn failure(&self) -> io::Error {
        let failure = self.failure.as_ref();
        failure
            .map_or(io::ErrorKind::NotFound.into(), |error| io::Error::new(error.kind(), error.to_string()))
    }
}
