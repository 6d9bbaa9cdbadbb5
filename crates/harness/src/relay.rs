//! A relay before a server: what the server answers comes late.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::channel;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// The address from which the relay connects to the server.
pub const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// A running relay; ends when it goes out of scope.
pub struct Relay {
    port: u16,
    lateness: Arc<Lateness>,
    accepting: JoinHandle<()>,
}

/// By how much answers come late, and how often any did.
#[derive(Debug, Default)]
struct Lateness {
    milliseconds: AtomicU64,
    delayed: AtomicU64,
}

impl Relay {
    /// Starts one before a local port, with no delay yet.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn before(server: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let lateness = Arc::<Lateness>::default();
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&lateness)));
        Ok(Self { port, lateness, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// From now on every answer comes so late.
    pub fn delay(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.lateness.milliseconds.store(milliseconds, Ordering::Relaxed);
    }

    /// How many pieces of answers came late so far.
    #[must_use]
    pub fn delayed(&self) -> u64 {
        self.lateness.delayed.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: u16, lateness: Arc<Lateness>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(relay(client, server, Arc::clone(&lateness)));
    }
}

async fn relay(client: TcpStream, server: u16, lateness: Arc<Lateness>) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((SOURCE, 0).into())?;
    let server = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, server))).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(carry(from_client, to_server, Arc::default()), carry(from_server, to_client, lateness));
    Ok(())
}

/// Carries bytes and the end of them, each so late as it is wanted when they come in.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, lateness: Arc<Lateness>) {
    let (sender, mut receiver) = channel::<(Instant, Bytes)>(4096);
    let reading = async move {
        let mut buffer = BytesMut::new();
        while let Ok(length) = from.read_buf(&mut buffer).await {
            let milliseconds = lateness.milliseconds.load(Ordering::Relaxed);
            lateness.delayed.fetch_add(u64::from(milliseconds > 0), Ordering::Relaxed);
            let due = Instant::now() + Duration::from_millis(milliseconds);
            if sender.send((due, buffer.split().freeze())).await.is_err() || length == 0 {
                break;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}
