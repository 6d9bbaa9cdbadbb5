//! One serving thread: a runtime of its own, which accepts connections and serves them to their
//! end. Threads share nothing on a request's path but what they read.

use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use metrics::gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::connection::{self, Incoming, Serving};
use crate::desk::{Desk, Mode, Shared};
use crate::forward::Forwarder;
use crate::forward::pages::Pages;
use crate::forward::pool::Pool;
use crate::forward::server::Connector;
use crate::record::counts::CONNECTIONS;
use crate::settings::Settings;

/// A listening socket, as each thread holds it.
#[derive(Debug)]
pub(crate) struct Listener {
    /// The socket, not blocking.
    pub(crate) socket: StdListener,
    /// Whether a peer accepts from it too, so that leaving it alone leaves nobody waiting.
    pub(crate) is_shared: bool,
    /// From where balancers bring connections, with a PROXY header; empty: nobody does.
    pub(crate) balancers: Arc<[IpNet]>,
}

impl Listener {
    /// The same socket for another thread.
    ///
    /// # Errors
    /// When the system has no more files.
    pub(crate) fn try_clone(&self) -> std::io::Result<Self> {
        let balancers = Arc::clone(&self.balancers);
        Ok(Self { socket: self.socket.try_clone()?, is_shared: self.is_shared, balancers })
    }
}

/// What a serving thread is made of.
pub(crate) struct Worker {
    /// Where it accepts connections.
    pub(crate) listeners: Vec<Listener>,
    /// TLS; absent only in tests, which speak in the clear.
    pub(crate) tls: Option<TlsAcceptor>,
    /// TLS towards servers.
    pub(crate) upstream_tls: Arc<rustls::ClientConfig>,
    /// What all threads share.
    pub(crate) shared: Arc<Shared>,
    /// Our own pages.
    pub(crate) pages: Arc<dyn Pages>,
    /// The limits.
    pub(crate) settings: Arc<Settings>,
}

/// Idle connections to servers are looked at so often.
const TIDY: Duration = Duration::from_secs(2);
/// After a failed accept (no more files) the next is tried so much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Worker {
    /// Serves on the present thread until the process stops and connections have ended.
    ///
    /// # Errors
    /// When there can be no runtime, or a socket cannot be used.
    pub(crate) fn run(self) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> std::io::Result<()> {
        let (connections, upstream_tasks) = (TaskTracker::new(), TaskTracker::new());
        let pool = Arc::new(Pool::new(&self.settings));
        let mut mode = self.shared.mode.clone();
        let forwarder = Forwarder {
            pool: Arc::clone(&pool),
            connector: Arc::new(Connector {
                tls: self.upstream_tls,
                tasks: upstream_tasks.clone(),
                names: self.shared.names.clone(),
            }),
            pages: self.pages,
            clock: self.shared.clock.clone(),
            settings: Arc::clone(&self.settings),
        };
        let serving = Serving {
            desk: Desk::new(self.shared, forwarder),
            settings: Arc::clone(&self.settings),
            mode: mode.clone(),
        };
        // What balancers bring until the last moment has as long as what was in hand before.
        let is_behind = self.listeners.iter().any(|listener| !listener.balancers.is_empty());
        let lame = if is_behind { self.settings.lame } else { Duration::ZERO };
        let room = Arc::new(Semaphore::new(self.settings.connections_per_thread));
        for listener in self.listeners {
            let accepting = Accepting {
                socket: TcpListener::from_std(listener.socket)?,
                is_shared: listener.is_shared,
                balancers: listener.balancers,
                tls: self.tls.clone(),
                serving: serving.clone(),
                room: Arc::clone(&room),
                connections: connections.clone(),
            };
            connections.spawn(accepting.run());
        }
        upstream_tasks.spawn(tidy(pool));
        drop(mode.wait_for(|mode| *mode == Mode::Stopping).await);
        connections.close();
        if tokio::time::timeout(lame + self.settings.drain_requests, connections.wait()).await.is_err() {
            tracing::warn!(connections = connections.len(), "connections cut off: they did not end in time");
        }
        Ok(())
    }
}

async fn tidy(pool: Arc<Pool>) {
    loop {
        tokio::time::sleep(TIDY).await;
        pool.tidy();
    }
}

/// Accepts from one socket.
struct Accepting {
    socket: TcpListener,
    is_shared: bool,
    balancers: Arc<[IpNet]>,
    tls: Option<TlsAcceptor>,
    serving: Serving,
    room: Arc<Semaphore>,
    connections: TaskTracker,
}

impl Accepting {
    async fn run(self) {
        let mut mode = self.serving.mode.clone();
        while wait_for_turn(&mut mode, self.is_shared).await {
            tokio::select! {
                biased;
                _ = mode.changed() => {}
                () = self.accept() => {}
            }
        }
        if !self.balancers.is_empty() {
            let taking = async {
                loop {
                    self.accept().await;
                }
            };
            // It has no other end.
            let _ = tokio::time::timeout(self.serving.settings.lame, taking).await;
        }
        if !self.is_shared {
            self.take_what_waits();
        }
    }

    /// Serves the connections that the system has taken for this socket: it resets them when the socket is closed.
    fn take_what_waits(self) {
        let Self { socket, balancers, tls, serving, room, connections, .. } = self;
        let Ok(socket) = socket.into_std() else { return };
        while let Ok(room) = Arc::clone(&room).try_acquire_owned() {
            let Ok((stream, address)) = socket.accept() else { return };
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            let Ok(stream) = stream else { continue };
            let incoming =
                Incoming { stream, peer: address.ip().to_canonical(), balancers: Arc::clone(&balancers) };
            connections.spawn(serve(incoming, tls.clone(), serving.clone(), room));
        }
    }

    async fn accept(&self) {
        let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return };
        match self.socket.accept().await {
            Ok((stream, address)) => {
                let balancers = Arc::clone(&self.balancers);
                let incoming = Incoming { stream, peer: address.ip().to_canonical(), balancers };
                self.connections.spawn(serve(incoming, self.tls.clone(), self.serving.clone(), room));
            }
            Err(error) => {
                tracing::debug!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a connection, which is counted and has its room until it ends.
async fn serve(incoming: Incoming, tls: Option<TlsAcceptor>, serving: Serving, room: OwnedSemaphorePermit) {
    let open = gauge!(CONNECTIONS);
    open.increment(1.0);
    connection::serve(incoming, tls, serving).await;
    open.decrement(1.0);
    drop(room);
}

/// Waits while this access point leaves a shared socket to its peers; false when it stops.
async fn wait_for_turn(mode: &mut watch::Receiver<Mode>, is_shared: bool) -> bool {
    let is_turn = |mode: &Mode| match mode {
        Mode::Serving | Mode::Stopping => true,
        Mode::Draining => !is_shared,
    };
    mode.wait_for(is_turn).await.is_ok_and(|mode| *mode != Mode::Stopping)
}
